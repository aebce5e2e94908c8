package azblob

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

const (
	secret     = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
	connection = "DefaultEndpointsProtocol=http;AccountName=devacct;AccountKey=" + secret + ";BlobEndpoint=http://127.0.0.1:10000/devacct;"
	signature  = "?sv=2024-11-04&sp=rwdl&sig=" + secret
)

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		raw  string
		env  map[string]string
		url  string // of the container, without a query
		at   string // Store.name
		err  string // a part of the error
	}{
		{"connection string", "az://photos/2024/", map[string]string{envConnection: connection}, "http://127.0.0.1:10000/devacct/photos", "az://photos/2024", ""},
		{"connection string before account", "az://photos", map[string]string{envConnection: connection, envAccount: "acct", envKey: secret}, "http://127.0.0.1:10000/devacct/photos", "az://photos", ""},
		{"broken connection string", "az://photos", map[string]string{envConnection: "AccountKey=" + secret}, "", "", envConnection + " is not a connection string"},
		{"account and key", "az://photos", map[string]string{envAccount: "acct", envKey: secret}, "https://acct.blob.core.windows.net/photos", "az://photos", ""},
		{"account and broken key", "az://photos", map[string]string{envAccount: "acct", envKey: "se cret"}, "", "", envKey + " is not an account key"},
		{"account and signature", "az://photos/a%20b/", map[string]string{envAccount: "acct", envSAS: signature}, "https://acct.blob.core.windows.net/photos", "az://photos/a b", ""},
		{"account and broken signature", "az://photos", map[string]string{envAccount: "acct", envSAS: "?sv=1"}, "", "", envSAS + " is not a shared access signature"},
		{"account alone", "az://photos", map[string]string{envAccount: "acct"}, "https://acct.blob.core.windows.net/photos", "az://photos", ""},
		{"nothing", "az://photos", nil, "", "", "names no account: set " + envConnection},
		{"https", "https://acct.blob.core.windows.net/photos/2024/", map[string]string{envKey: secret}, "https://acct.blob.core.windows.net/photos", "az://photos/2024", ""},
		{"https, other account's connection string", "https://acct.blob.core.windows.net/photos", map[string]string{envConnection: connection, envKey: secret}, "https://acct.blob.core.windows.net/photos", "az://photos", ""},
		{"https, own connection string", "https://devacct.blob.core.windows.net/photos", map[string]string{envConnection: connection}, "http://127.0.0.1:10000/devacct/photos", "az://photos", ""},
		{"https, zone", "https://acct.z12.blob.storage.azure.net/photos", map[string]string{envKey: secret}, "https://acct.z12.blob.storage.azure.net/photos", "az://photos", ""},
		{"https without container", "https://acct.blob.core.windows.net/", nil, "", "", "write https://ACCOUNT"},
		{"https elsewhere", "https://example.com/photos", nil, "", "", "write https://ACCOUNT"},
		{"no container", "az:///x", nil, "", "", "names no container"},
		{"parameter", "az://photos?region=x", map[string]string{envConnection: connection}, "", "", `unknown parameter "region"`},
		{"signature in the URL", "https://acct.blob.core.windows.net/photos" + signature, nil, "", "", envSAS},
		{"another scheme", "s3://photos", nil, "", "", "use az or https"},
	} {
		u, err := url.Parse(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		s, err := open(u, func(name string) string { return tt.env[name] }, Identity{})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := s.(*Store)
		if at, _, _ := strings.Cut(got.client.URL(), "?"); at != tt.url || got.name != tt.at {
			t.Errorf("%s: %s as %s, want %s as %s", tt.name, at, got.name, tt.url, tt.at)
		}
	}
}

// noLogin is a credential chain that finds nothing.
type noLogin struct{}

func (noLogin) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("DefaultAzureCredential: failed\nAttempted credentials:\n\tEnvironmentCredential: missing")
}

func TestNoLogin(t *testing.T) {
	t.Parallel()
	client, err := container.NewClient("https://acct.blob.core.windows.net/photos", &login{noLogin{}, "acct", "", nil}, ClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	err = New(client, "", Options{}).Check(t.Context())
	if err == nil || store.KindOf(err) != store.Denied || !strings.Contains(err.Error(), "no credential for the storage account acct: set ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// TestCheckDenied: each sort of refusal says what to do, and errors of requests
// that were signed by their URL do not show it.
func TestCheckDenied(t *testing.T) {
	t.Parallel()
	core := cloudsim.NewCore(nil)
	core.CreateBucket("photos", false)
	serverURL, stop := cloudsim.Serve(cloudsim.NewAzure(core, cloudsim.AzureOptions{AccountKey: cloudsim.AzureAccountKey}))
	defer stop()
	cred, err := container.NewSharedKeyCredential(cloudsim.AzureAccount, cloudsim.AzureAccountKey)
	if err != nil {
		t.Fatal(err)
	}
	readOnly, err := sas.BlobSignatureValues{ContainerName: "photos", Permissions: "r", ExpiryTime: time.Now().UTC().Add(time.Hour)}.SignWithSharedKey(cred)
	if err != nil {
		t.Fatal(err)
	}
	check := func(query string) error {
		client, err := container.NewClientWithNoCredential(serverURL+"/"+cloudsim.AzureAccount+"/photos?"+query, quick())
		if err != nil {
			t.Fatal(err)
		}
		err = New(client, "", Options{}).Check(t.Context())
		if err != nil && (strings.Contains(err.Error(), "sig=") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%v", err)
		}
		return err
	}
	if err := check(readOnly.Encode()); store.KindOf(err) != store.Denied || !strings.Contains(err.Error(), "Storage Blob Data Contributor") {
		t.Errorf("read only: %v", err)
	}
	if err := check(strings.Replace(readOnly.Encode(), "sp=r", "sp=l", 1)); store.KindOf(err) != store.Denied || !strings.Contains(err.Error(), "credential is not accepted") {
		t.Errorf("tampered: %v", err)
	}
	stop()
	if err := check(readOnly.Encode()); store.KindOf(err) != store.Unavailable {
		t.Errorf("no server: %v", err)
	}
}

func quick() *container.ClientOptions {
	opts := ClientOptions()
	opts.Retry.RetryDelay = time.Millisecond
	return opts
}

func TestClientOptions(t *testing.T) {
	t.Parallel()
	opts := ClientOptions()
	if tr := opts.Transport.(*http.Client).Transport.(boundedErrors); !tr.DisableCompression {
		t.Error("bodies would be decompressed")
	}
	for status, want := range map[int]bool{200: false, 304: false, 400: false, 404: false, 408: true, 409: false, 412: false, 429: true, 500: true, 501: false, 502: true, 503: true, 504: true} {
		if got := opts.Retry.ShouldRetry(&http.Response{StatusCode: status, Header: http.Header{}}, nil); got != want {
			t.Errorf("%d is retried: %t", status, got)
		}
	}
	if opts.Retry.ShouldRetry(&http.Response{StatusCode: 500, Header: http.Header{"X-Ms-Error-Code": {"FeatureNotSupported"}}}, nil) {
		t.Error("what a server does not have is asked for again")
	}
}
