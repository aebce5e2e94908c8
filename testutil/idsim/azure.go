package idsim

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

const identityHeader = "5d1f6b1e7c904d8bb1f4a1c2d3e4f5a6"

// serveManagedIdentity is the endpoint of App Service, Functions and Container
// Apps ("How to use managed identities", REST endpoint reference).
func (w *World) serveManagedIdentity(rw http.ResponseWriter, r *http.Request) {
	fail := func(status int, code, message string) {
		reply(rw, status, map[string]any{"error": code, "error_description": message})
	}
	if w.refused(rw, "managed-identity", r.Header.Get("X-Identity-Header"), fail) {
		return
	}
	q := r.URL.Query()
	if r.Header.Get("X-Identity-Header") != identityHeader || q.Get("client_id") != "" && q.Get("client_id") != Application {
		w.note("managed-identity refused")
		fail(http.StatusBadRequest, "invalid_request", "no such identity")
		return
	}
	w.note("managed-identity gave a token for " + q.Get("resource"))
	t := ""
	if q.Get("resource") == "https://storage.azure.com" || q.Get("resource") == "https://storage.azure.com/" {
		t, _ = w.opaque("azure")
	} else {
		t = w.sign(azureIssuer, AzureSubject, q.Get("resource"))
	}
	reply(rw, http.StatusOK, map[string]string{
		"access_token": t, "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10), "resource": q.Get("resource"), "token_type": "Bearer", "client_id": Application,
	})
}

// serveEntra is Microsoft Entra's discovery and token endpoint ("Access token
// request with a federated credential").
func (w *World) serveEntra(rw http.ResponseWriter, r *http.Request) {
	base := "https://login.microsoftonline.com/" + Tenant
	switch r.URL.Path {
	case "/common/discovery/instance":
		reply(rw, http.StatusOK, map[string]any{
			"tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata":                  []any{map[string]any{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net", "aliases": []string{"login.microsoftonline.com"}}},
		})
	case "/" + Tenant + "/v2.0/.well-known/openid-configuration":
		reply(rw, http.StatusOK, map[string]string{
			"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "issuer": base + "/v2.0",
		})
	case "/" + Tenant + "/oauth2/v2.0/token":
		w.serveEntraToken(rw, r)
	default:
		reply(rw, http.StatusBadRequest, map[string]string{"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found."})
	}
}

func (w *World) serveEntraToken(rw http.ResponseWriter, r *http.Request) {
	assertion := r.FormValue("client_assertion")
	fail := func(status int, code, message string) {
		reply(rw, status, map[string]any{"error": code, "error_description": message, "error_codes": []int{700213}})
	}
	if w.refused(rw, "entra", assertion, fail) {
		return
	}
	if err := w.federated(r.FormValue("client_id"), assertion); err != nil {
		w.note("entra refused")
		fail(http.StatusUnauthorized, "invalid_client", "AADSTS700213: No matching federated identity record found: "+err.Error()+"\r\nTrace ID: 0")
		return
	}
	t, lifetime := w.opaque("azure")
	w.note("entra gave a token")
	reply(rw, http.StatusOK, map[string]any{"access_token": t, "token_type": "Bearer", "expires_in": int(lifetime / time.Second)})
}

// federated are the federated credentials of Application.
func (w *World) federated(client, assertion string) error {
	issuer, subject, err := w.verify(assertion, "api://AzureADTokenExchange")
	switch {
	case err != nil:
		return err
	case client != Application:
		return errors.New("no such application")
	}
	for _, known := range [][2]string{{gceIssuer, GoogleSubject}, {awsIssuer, OwnRole}, {kubernetesIssuer, kubernetesSubject}} {
		if known == [2]string{issuer, subject} {
			return nil
		}
	}
	return errors.New("presented assertion " + assertion)
}
