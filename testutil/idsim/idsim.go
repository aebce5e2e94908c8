// Package idsim is the identities of three clouds in one process: what vouches for
// a process (Google's metadata server, Azure's endpoint for managed identities,
// AWS STS), the token services that take its word (AWS STS, Google's, Microsoft
// Entra's), and the clouds' storage behind them. The SDKs find all of it under the
// clouds' own names, by a proxy whose certificates they are told to trust, so that
// what is tested is what runs.
package idsim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// Who is who in this world.
const (
	Region  = "eu-west-1"
	Role    = "arn:aws:iam::123456789012:role/crossfade-replicate"
	OwnRole = "arn:aws:iam::123456789012:role/crossfade-lambda" // of the process, on AWS

	Provider       = "projects/123456789/locations/global/workloadIdentityPools/crossfade/providers/elsewhere"
	ServiceAccount = "crossfade@example.iam.gserviceaccount.com"
	GoogleSubject  = "100018646976219416293" // of the process, on Google Cloud

	Tenant       = "11111111-2222-3333-4444-555555555555"
	Application  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	AzureAccount = "crossfadetest"
	AzureSubject = "99999999-8888-7777-6666-555555555555" // of the process, on Azure
	AzureAppURI  = "api://crossfade"

	accessKeyID, secretAccessKey = "ASIAEXAMPLEEXAMPLE12", "example/Secret0Key1Of2The3Process4"
	gceIssuer                    = "https://accounts.google.com"
	awsIssuer                    = "https://0a1b2c3d-0000-1111-2222-333344445555.tokens.sts.global.api.aws"
	azureIssuer                  = "https://sts.windows.net/" + Tenant + "/"
	kubernetesIssuer             = "https://oidc.example.com/cluster"
	kubernetesSubject            = "system:serviceaccount:crossfade:replicate"
)

// World is one of them, until its test ends.
type World struct {
	S3, GCS, Azure *cloudsim.Core

	mu       sync.Mutex
	key      []byte // signs its tokens
	lifetime time.Duration
	refusal  *refusal
	calls    []string
	secrets  []string
	count    int

	dir       string
	proxy     string
	metadata  string
	azureMSI  string
	s3URL     string
	stsURL    string
	authority *authority
}

type refusal struct {
	service string
	status  int
	code    string
}

// New serves a world of which the tokens last an hour.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{S3: cloudsim.NewCore(nil), GCS: cloudsim.NewCore(nil), Azure: cloudsim.NewCore(nil), key: []byte("of this world"), lifetime: time.Hour, dir: t.TempDir()}
	w.secrets = []string{secretAccessKey, w.session(), identityHeader}
	w.authority = newAuthority(t, filepath.Join(w.dir, "ca.pem"))
	w.proxy = newProxy(t, w.authority, w.names())
	w.metadata = serve(t, http.HandlerFunc(w.serveMetadata))
	w.azureMSI = serve(t, http.HandlerFunc(w.serveManagedIdentity))
	w.s3URL = serve(t, w.s3())
	w.stsURL = serve(t, http.HandlerFunc(w.serveSTS))
	return w
}

func serve(t testing.TB, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func (w *World) names() http.Handler {
	hosts := map[string]http.Handler{
		"sts." + Region + ".amazonaws.com":      http.HandlerFunc(w.serveSTS),
		"sts.googleapis.com":                    http.HandlerFunc(w.serveExchange),
		"iamcredentials.googleapis.com":         http.HandlerFunc(w.serveImpersonation),
		"storage.googleapis.com":                w.bearer("gcs", cloudsim.NewGCS(w.GCS, cloudsim.GCSOptions{})),
		"login.microsoftonline.com":             http.HandlerFunc(w.serveEntra),
		AzureAccount + ".blob.core.windows.net": w.bearer("azure", inPath(cloudsim.NewAzure(w.Azure, cloudsim.AzureOptions{Account: AzureAccount}))),
		"sts.us-east-1.amazonaws.com":           http.HandlerFunc(w.serveSTS),
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h, ok := hosts[r.Host]
		if !ok {
			w.note("stranger " + r.Host)
			http.Error(rw, "no such name in this world", http.StatusBadGateway)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// Env is the environment in which the SDKs find the world, and nothing of the
// user's own. What says where the process runs is not in it: see OnAWS and others.
func (w *World) Env() []string {
	return []string{
		"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"),
		"HTTPS_PROXY=" + w.proxy, "SSL_CERT_FILE=" + w.authority.file,
		"AWS_ENDPOINT_URL_S3=" + w.s3URL, "AWS_REGION=" + Region, "AWS_EC2_METADATA_DISABLED=true",
		"AZURE_STORAGE_ACCOUNT=" + AzureAccount,
	}
}

// OnAWS is what Lambda sets for the role of a function.
func (w *World) OnAWS() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + accessKeyID, "AWS_SECRET_ACCESS_KEY=" + secretAccessKey, "AWS_SESSION_TOKEN=" + w.session()}
}

// STS is AWS STS without TLS, for AWS_ENDPOINT_URL_STS in a process that has not
// the world's environment from its start.
func (w *World) STS() string { return w.stsURL }

// OnGoogle is where the metadata server is.
func (w *World) OnGoogle() []string {
	return []string{"GCE_METADATA_HOST=" + strings.TrimPrefix(w.metadata, "http://")}
}

// OnAzure is what Azure Functions and Container Apps set for a managed identity.
func (w *World) OnAzure() []string {
	return []string{"IDENTITY_ENDPOINT=" + w.azureMSI, "IDENTITY_HEADER=" + identityHeader}
}

// Kubernetes writes the token of a service account, for an audience, and returns
// its file.
func (w *World) Kubernetes(t testing.TB, audience string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(w.sign(kubernetesIssuer, kubernetesSubject, audience)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Lifetime changes how long what is given out from now on lasts.
func (w *World) Lifetime(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lifetime = d
}

// Refuse makes a service (sts, token, exchange, impersonation, entra, metadata,
// managed-identity) answer with the status and an error that quotes all that it
// was sent. "" ends it.
func (w *World) Refuse(service string, status int, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusal = &refusal{service, status, code}
}

// Calls are the requests so far to what gives credentials, as service and result.
func (w *World) Calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls...)
}

// Count is how many calls begin with prefix.
func (w *World) Count(prefix string) (n int) {
	for _, c := range w.Calls() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// Leak returns a piece of a secret of this world that text has, or "".
func (w *World) Leak(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.secrets {
		for part := range strings.SplitSeq(s, ".") { // of a JSON Web Token each is worth hiding
			for i := 0; i+20 <= len(part); i += 10 {
				if strings.Contains(text, part[i:i+20]) {
					return part[i : i+20]
				}
			}
		}
	}
	return ""
}

func (w *World) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

// refused answers as Refuse said, with what was sent in the text.
func (w *World) refused(rw http.ResponseWriter, service, sent string, answer func(status int, code, message string)) bool {
	w.mu.Lock()
	r := w.refusal
	w.mu.Unlock()
	if r == nil || r.service != service {
		return false
	}
	w.note(service + " refused")
	answer(r.status, r.code, fmt.Sprintf("You sent %s, which is not accepted", sent))
	return true
}
