package idsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	Number   int    `json:"jti"`
}

// sign returns a token that lasts.
func (w *World) sign(issuer, subject, audience string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	body, err := json.Marshal(claims{issuer, subject, audience, time.Now().Add(max(w.lifetime, time.Minute)).Unix(), w.count})
	if err != nil {
		panic(err)
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(body)
	t := signed + "." + enc.EncodeToString(w.mac(signed))
	w.secrets = append(w.secrets, t)
	return t
}

func (w *World) mac(signed string) []byte {
	m := hmac.New(sha256.New, w.key)
	m.Write([]byte(signed))
	return m.Sum(nil)
}

// verify returns who a token is of, if it was signed here, for the audience, and
// has not expired.
func (w *World) verify(t, audience string) (issuer, subject string, err error) {
	parts := strings.Split(strings.TrimSpace(t), ".")
	if len(parts) != 3 {
		return "", "", fmt.Errorf("no token: %q", t)
	}
	mac, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(mac, w.mac(parts[0]+"."+parts[1])) {
		return "", "", fmt.Errorf("not signed: %s", t)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", err
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		return "", "", err
	}
	switch {
	case c.Audience != audience:
		return "", "", fmt.Errorf("the audience of %s is %s, not %s", t, c.Audience, audience)
	case time.Now().Unix() > c.Expires:
		return "", "", fmt.Errorf("%s has expired", t)
	}
	return c.Issuer, c.Subject, nil
}

// opaque returns an access token of a kind, which admit later knows.
func (w *World) opaque(kind string) (t string, lifetime time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	t = fmt.Sprintf("ya29.%s-%d-%x", kind, w.count, w.mac(fmt.Sprint(kind, w.count)))
	w.secrets = append(w.secrets, strings.TrimPrefix(t, "ya29."))
	return t, w.lifetime
}

func (w *World) admits(t, kind string) bool {
	var n int
	var mac string
	_, err := fmt.Sscanf(t, "ya29."+kind+"-%d-%s", &n, &mac)
	return err == nil && mac == fmt.Sprintf("%x", w.mac(fmt.Sprint(kind, n)))
}

// bearer lets through what carries an access token of the kind.
func (w *World) bearer(kind string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !w.admits(t, kind) {
			http.Error(rw, "no token of this world", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// inPath makes of the account in the host's name that in the path.
func inPath(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path, r2.URL.RawPath = "/"+AzureAccount+r.URL.Path, "/"+AzureAccount+r.URL.EscapedPath()
		h.ServeHTTP(rw, r2)
	})
}

func reply(rw http.ResponseWriter, status int, doc any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	json.NewEncoder(rw).Encode(doc) //nolint:errcheck // the client will tell
}
