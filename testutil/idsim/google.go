package idsim

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const accountPath = "/computeMetadata/v1/instance/service-accounts/default/"

// serveMetadata is the part of Google's metadata server that gives out access
// tokens of the service account, and vouches for it ("Verify the identity of VMs").
func (w *World) serveMetadata(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Metadata-Flavor", "Google")
	fail := func(status int, code, message string) { http.Error(rw, code+" "+message, status) }
	audience := r.URL.Query().Get("audience")
	if r.URL.Path == accountPath+"token" && r.Header.Get("Metadata-Flavor") == "Google" {
		t, lifetime := w.opaque("gcs")
		reply(rw, http.StatusOK, map[string]any{"access_token": t, "expires_in": int(lifetime / time.Second), "token_type": "Bearer"})
		return
	}
	if w.refused(rw, "metadata", r.URL.RawQuery, fail) {
		return
	}
	if r.URL.Path != accountPath+"identity" || r.Header.Get("Metadata-Flavor") != "Google" || audience == "" {
		http.NotFound(rw, r)
		return
	}
	w.note("metadata gave a token for " + audience)
	io.WriteString(rw, w.sign(gceIssuer, GoogleSubject, audience)) //nolint:errcheck // the client will tell
}

// serveExchange is Google's token service ("Security Token Service API, token").
func (w *World) serveExchange(rw http.ResponseWriter, r *http.Request) {
	subject, audience := r.FormValue("subject_token"), r.FormValue("audience")
	fail := func(status int, code, message string) {
		reply(rw, status, map[string]string{"error": code, "error_description": message})
	}
	if w.refused(rw, "exchange", subject, fail) {
		return
	}
	err := errors.New("the audience " + audience + " does not exist")
	if audience == "//iam.googleapis.com/"+Provider {
		switch r.FormValue("subject_token_type") {
		case "urn:ietf:params:aws:token-type:aws4_request":
			err = w.callerIdentity(r.Context(), subject, audience)
		case "urn:ietf:params:oauth:token-type:jwt":
			for issuer, a := range map[string]string{azureIssuer: AzureAppURI, kubernetesIssuer: audience} {
				if iss, _, e := w.verify(subject, a); e == nil && iss == issuer {
					err = nil
					break
				}
				err = errors.New("the credential " + subject + " is rejected by the attribute condition")
			}
		}
	}
	if err != nil {
		w.note("exchange refused")
		fail(http.StatusBadRequest, "invalid_grant", err.Error())
		return
	}
	kind := "gcs"
	if !strings.Contains(r.FormValue("scope"), "devstorage") { // to act as a service account
		kind = "federated"
	}
	t, lifetime := w.opaque(kind)
	w.note("exchange gave a " + kind + " token")
	reply(rw, http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		Issued      string `json:"issued_token_type"`
		Type        string `json:"token_type"`
		Expires     int    `json:"expires_in"`
	}{t, "urn:ietf:params:oauth:token-type:access_token", "Bearer", int(lifetime / time.Second)})
}

// serveImpersonation is generateAccessToken ("IAM Service Account Credentials API").
func (w *World) serveImpersonation(rw http.ResponseWriter, r *http.Request) {
	fail := func(status int, code, message string) {
		reply(rw, status, map[string]any{"error": map[string]any{"code": status, "status": code, "message": message}})
	}
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if w.refused(rw, "impersonation", bearer, fail) {
		return
	}
	if r.URL.Path != "/v1/projects/-/serviceAccounts/"+ServiceAccount+":generateAccessToken" || !w.admits(bearer, "federated") {
		w.note("impersonation refused")
		fail(http.StatusForbidden, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")
		return
	}
	t, lifetime := w.opaque("gcs")
	w.note("impersonation gave a token")
	reply(rw, http.StatusOK, map[string]string{"accessToken": t, "expireTime": time.Now().Add(lifetime).UTC().Format(time.RFC3339)})
}
