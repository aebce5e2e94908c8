package cloudsim

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// azureDecodeKey returns the bytes of an account key; nil for none.
func azureDecodeKey(key string) []byte {
	if key == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		panic("cloudsim: AzureOptions.AccountKey is not base64")
	}
	return raw
}

func azureForbidden(code, message string) error {
	return azureErr(http.StatusForbidden, code, message)
}

func azureAuthFailed() error {
	return azureForbidden("AuthenticationFailed", "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.")
}

// authorize checks the signature of the request, if the face has a key.
func (rq *azureRequest) authorize() error {
	if rq.key == nil {
		return nil
	}
	if auth := rq.r.Header.Get("Authorization"); auth != "" {
		account, signature, ok := strings.Cut(strings.TrimPrefix(auth, "SharedKey "), ":")
		if !ok || !strings.HasPrefix(auth, "SharedKey ") || account != rq.opts.Account || !rq.signed(rq.stringToSign(), signature) {
			return azureAuthFailed()
		}
		return nil
	}
	if rq.query.Has("sig") {
		return rq.authorizeSAS()
	}
	return azureErr(http.StatusUnauthorized, "NoAuthenticationInformation", "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
}

func (rq *azureRequest) signed(message, signature string) bool {
	mac := hmac.New(sha256.New, rq.key)
	mac.Write([]byte(message))
	got, err := base64.StdEncoding.DecodeString(signature)
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

// stringToSign is that of "Authorize with Shared Key", Blob service.
func (rq *azureRequest) stringToSign() string {
	h := rq.r.Header
	length := ""
	if n := rq.r.ContentLength; n > 0 {
		length = strconv.FormatInt(n, 10)
	}
	date := h.Get("Date")
	if h.Get("X-Ms-Date") != "" {
		date = ""
	}
	lines := []string{
		rq.r.Method, h.Get("Content-Encoding"), h.Get("Content-Language"), length, h.Get("Content-Md5"), h.Get("Content-Type"), date,
		h.Get("If-Modified-Since"), h.Get("If-Match"), h.Get("If-None-Match"), h.Get("If-Unmodified-Since"), h.Get("Range"),
	}
	var names []string
	for name := range h {
		if strings.HasPrefix(name, "X-Ms-") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(azureHeaderWeight(a), azureHeaderWeight(b)) })
	for _, name := range names {
		lines = append(lines, strings.ToLower(name)+":"+strings.Join(h[name], ","))
	}
	resource := "/" + rq.opts.Account + rq.r.URL.EscapedPath()
	for _, name := range slices.Sorted(maps.Keys(rq.query)) {
		resource += "\n" + strings.ToLower(name) + ":" + strings.Join(slices.Sorted(slices.Values(rq.query[name])), ",")
	}
	return strings.Join(append(lines, resource), "\n")
}

// azureHeaderWeight orders header names as the service does, which sorts by
// culture: hyphens do not count, and an underscore comes before digits.
func azureHeaderWeight(name string) string {
	return strings.NewReplacer("-", "", "_", "\x01").Replace(strings.ToLower(name))
}

// authorizeSAS checks an account or a service shared access signature:
// signature, times, and whether it permits the operation.
func (rq *azureRequest) authorizeSAS() error {
	q := rq.query
	get := q.Get
	var message []string
	switch {
	case get("ss") != "":
		if !strings.Contains(get("ss"), "b") || !strings.Contains(get("srt"), rq.resourceType()) {
			return azureForbidden("AuthorizationResourceTypeMismatch", "This request is not authorized to perform this operation using this resource type.")
		}
		message = []string{rq.opts.Account, get("sp"), get("ss"), get("srt"), get("st"), get("se"), get("sip"), get("spr"), get("sv"), get("ses"), ""}
	case get("sr") == "c" || get("sr") == "b":
		name := "/blob/" + rq.opts.Account + "/" + rq.container
		if get("sr") == "b" {
			name += "/" + rq.blob
		}
		message = []string{
			get("sp"), get("st"), get("se"), name, get("si"), get("sip"), get("spr"), get("sv"), get("sr"), "", get("ses"),
			get("rscc"), get("rscd"), get("rsce"), get("rscl"), get("rsct"),
		}
	default:
		return azureAuthFailed()
	}
	if !rq.signed(strings.Join(message, "\n"), get("sig")) {
		return azureAuthFailed()
	}
	now := rq.core.now()
	if end, ok := azureSASTime(get("se")); !ok || !now.Before(end) {
		return azureForbidden("AuthenticationFailed", "Signed expiry time must be after the current time.")
	}
	if start, ok := azureSASTime(get("st")); get("st") != "" && (!ok || now.Before(start)) {
		return azureForbidden("AuthenticationFailed", "Signed start time must be before the current time.")
	}
	if !strings.ContainsAny(get("sp"), azurePermissions[rq.op]) {
		return azureForbidden("AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission.")
	}
	return nil
}

func (rq *azureRequest) resourceType() string {
	switch {
	case rq.blob != "":
		return "o"
	case rq.container != "":
		return "c"
	}
	return "s"
}

func azureSASTime(v string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.0000000Z", "2006-01-02T15:04:05Z", "2006-01-02T15:04Z", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// azurePermissions are those of which a signature needs one ("Create an account
// SAS", "Create a service SAS").
var azurePermissions = map[string]string{
	"Get Account Information":  "rwdlacup",
	"Create Container":         "cw",
	"Get Container Properties": "r",
	"Delete Container":         "d",
	"List Blobs":               "l",
	"Put Blob":                 "wc",
	"Put Blob From URL":        "wc",
	"Put Block":                "wc",
	"Put Block From URL":       "wc",
	"Put Block List":           "wc",
	"Get Block List":           "r",
	"Get Blob":                 "r",
	"Get Blob Properties":      "r",
	"Delete Blob":              "d",
	"Set Blob Metadata":        "w",
	"Set Blob Properties":      "w",
	"Set Blob Tier":            "w",
	"Set Blob Tags":            "t",
	"Get Blob Tags":            "t",
}
