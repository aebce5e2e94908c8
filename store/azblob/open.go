package azblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// The environment that chooses account and credential.
const (
	envConnection = "AZURE_STORAGE_CONNECTION_STRING"
	envAccount    = "AZURE_STORAGE_ACCOUNT"
	envKey        = "AZURE_STORAGE_KEY"
	envSAS        = "AZURE_STORAGE_SAS_TOKEN"
)

// Open opens az://container/prefix, or
// https://ACCOUNT.blob.core.windows.net/container/prefix. A prefix is part of the
// names as it is written, up to its last slash or not.
//
// The account of an az URL is that of AZURE_STORAGE_CONNECTION_STRING, which may
// point to an emulator, or AZURE_STORAGE_ACCOUNT. The credential is, in this
// order, that of the connection string, if it is of the account, else
// AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or what DefaultAzureCredential
// finds: environment, workload identity, managed identity, az login.
//
// Requests are not repeated by the SDK, for that is package retry's part: both
// would multiply their attempts. Only the blocks of large uploads are.
func Open(_ context.Context, u *url.URL) (store.Store, error) {
	return open(u, os.Getenv, Identity{})
}

func open(u *url.URL, getenv func(string) string, id Identity) (store.Store, error) {
	at, err := locate(u)
	if err != nil {
		return nil, err
	}
	opts, closeIdle := clientOptions()
	opts.Retry.MaxRetries = -1 // none
	client, as, err := at.client(getenv, opts, id)
	if err != nil {
		return nil, err
	}
	blocks := retryOptions()
	s := New(client, at.prefix, Options{BlockRetry: &blocks})
	s.closeIdle, s.as = closeIdle, as
	return s, nil
}

// location is a parsed URL.
type location struct {
	endpoint  string // of the account; "" where the environment says
	account   string
	container string
	prefix    string
}

func locate(u *url.URL) (location, error) {
	for name := range maps.Keys(u.Query()) {
		if name == "sig" {
			return location{}, fmt.Errorf("a shared access signature does not belong into the URL: put the part behind the question mark into %s", envSAS)
		}
	}
	if names := slices.Sorted(maps.Keys(u.Query())); len(names) > 0 {
		return location{}, fmt.Errorf("unknown parameter %q: an Azure URL has none", names[0])
	}
	path := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "az":
		if u.Host == "" {
			return location{}, errors.New("the URL names no container: write az://CONTAINER/PREFIX")
		}
		return location{container: u.Host, prefix: path}, nil
	case "https":
		_, _, ok := strings.Cut(u.Host, ".blob.")
		account, _, _ := strings.Cut(u.Host, ".") // DNS-zone endpoints have a zone behind it
		name, prefix, _ := strings.Cut(path, "/")
		if !ok || account == "" || name == "" {
			return location{}, errors.New("the URL names no account or container: write https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX")
		}
		return location{endpoint: "https://" + u.Host, account: account, container: name, prefix: prefix}, nil
	}
	return location{}, fmt.Errorf("%s is not a scheme of Azure Blob Storage: use az or https", u.Scheme)
}

// client chooses the account and the credential; as is whose, where that is known.
func (at location) client(getenv func(string) string, opts *container.ClientOptions, id Identity) (client *container.Client, as string, err error) {
	if conn := getenv(envConnection); conn != "" && (at.account == "" || at.account == connectionAccount(conn)) {
		client, err := container.NewClientFromConnectionString(conn, at.container, opts)
		if err != nil {
			return nil, "", errors.New(envConnection + " is not a connection string: copy it from the access keys of the account") // the SDK's error may quote it
		}
		return client, "", nil
	}
	if at.account == "" {
		if at.account = getenv(envAccount); at.account == "" {
			return nil, "", fmt.Errorf("az://%s names no account: set %s, or %s with %s, %s or a login that Azure's default credential finds",
				at.container, envConnection, envAccount, envKey, envSAS)
		}
		at.endpoint = "https://" + at.account + ".blob.core.windows.net"
	}
	location := at.endpoint + "/" + url.PathEscape(at.container)
	if key := getenv(envKey); key != "" {
		cred, err := container.NewSharedKeyCredential(at.account, key)
		if err != nil {
			return nil, "", errors.New(envKey + " is not an account key: copy it from the access keys of the account")
		}
		client, err = container.NewClientWithSharedKeyCredential(location, cred, opts)
		return client, "", err
	}
	if sas := strings.TrimPrefix(getenv(envSAS), "?"); sas != "" {
		if q, err := url.ParseQuery(sas); err != nil || q.Get("sig") == "" {
			return nil, "", errors.New(envSAS + " is not a shared access signature: it has no sig")
		}
		client, err = container.NewClientWithNoCredential(location+"?"+sas, opts)
		return client, "", err
	}
	tokens := opts.ClientOptions
	cred, err := id.credential(getenv, tokens)
	if err != nil {
		return nil, "", err
	}
	if f, ok := cred.(*federation); ok {
		as = f.whose()
	} else {
		tokens.Retry = retryOptions() // that there is no answer at all is final for everyone else
		found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: tokens})
		if err != nil {
			return nil, "", &loginError{at.account, err}
		}
		cred = &login{found, at.account, loginName(getenv), []string{getenv(envSecret), getenv(envHeader)}}
	}
	client, err = container.NewClient(location, cred, opts)
	return client, as, err
}

// connectionAccount is the account that a connection string is for, or "".
func connectionAccount(conn string) string {
	for part := range strings.SplitSeq(conn, ";") {
		if name, ok := strings.CutPrefix(part, "AccountName="); ok {
			return name
		}
	}
	return ""
}

// login words the long errors of the credential chain in one line.
type login struct {
	azcore.TokenCredential
	account string
	name    string // by what it logs in
	secrets []string
}

// GetToken returns a token, or a *loginError, or a *token.Error where a login was
// found and refused.
func (l *login) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := l.TokenCredential.GetToken(ctx, opts)
	if err == nil || ctx.Err() != nil {
		return t, err
	}
	if e, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && e.RawResponse != nil {
		return t, loginRefused(err, l.name, anyLogin, "check its tenant, its secret or federated credential, and that it exists", l.secrets...)
	}
	return t, &loginError{l.account, err}
}

type loginError struct {
	account string
	err     error
}

func (e *loginError) Error() string {
	return fmt.Sprintf("no credential for the storage account %s: set %s, %s or %s, or log in (az login, a managed or workload identity)",
		e.account, envConnection, envKey, envSAS)
}

// Unwrap returns what the credential chain said.
func (e *loginError) Unwrap() error { return e.err }

// NonRetriable marks the error for the SDK's retry policy.
func (e *loginError) NonRetriable() {}

// explain adds what to do to an error of Check.
func (s *Store) explain(err error) error {
	e, ok := errors.AsType[*store.Error](err)
	if !ok {
		return err
	}
	hint := ""
	switch {
	case bloberror.HasCode(err, bloberror.ContainerNotFound):
		hint = "the container does not exist: create it, or correct the URL or the account"
	case bloberror.HasCode(err, bloberror.AuthenticationFailed):
		hint = "the credential is not accepted: check the account key or the shared access signature, and this machine's clock"
	case refused(err):
		return err // it says what to do
	case e.Kind == store.Denied:
		hint = "not permitted: " + cmp.Or(s.as, "the identity") + " needs the role Storage Blob Data Contributor (Reader for a source), a signature the permissions to read, write, delete and list"
	default:
		return err
	}
	return &store.Error{Op: e.Op, Store: e.Store, Kind: e.Kind, RetryAfter: e.RetryAfter, Err: fmt.Errorf("%s: %w", hint, e.Err)}
}

func refused(err error) bool {
	_, ok := errors.AsType[*token.Error](err)
	return ok
}

// ClientOptions are those that a client for New needs: a transport that does not
// decompress, with as many idle connections as a sync has requests at once, and
// retries for a Store without the decorator of package retry. Up to three more
// tries, 0.2 to 5 s apart, of what failed on the way or with 408, 429, 500, 502,
// 503 or 504. An answer that asks for a longer wait is not waited for, and
// surfaces with its RetryAfter.
func ClientOptions() *container.ClientOptions {
	opts, _ := clientOptions()
	return opts
}

func clientOptions() (opts *container.ClientOptions, closeIdle func()) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.MaxIdleConns = 256
	transport.MaxIdleConnsPerHost = 256
	transport.ResponseHeaderTimeout = 2 * time.Minute
	opts = &container.ClientOptions{}
	opts.Transport = &http.Client{Transport: boundedErrors{transport}}
	opts.Telemetry.ApplicationID = "crossfade"
	opts.Retry = retryOptions()
	return opts, transport.CloseIdleConnections
}

func retryOptions() policy.RetryOptions {
	return policy.RetryOptions{
		MaxRetries:    3,
		RetryDelay:    200 * time.Millisecond,
		MaxRetryDelay: 5 * time.Second,
		ShouldRetry:   shouldRetry,
	}
}

// boundedErrors cuts what is read of an error: the SDK reads all of it.
type boundedErrors struct{ *http.Transport }

const maxErrorBody = 64 << 10

func (t boundedErrors) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		resp.Body = readCloser{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
	}
	return resp, err
}

type readCloser struct {
	io.Reader
	io.Closer
}

func shouldRetry(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return resp.Header.Get("X-Ms-Error-Code") != featureNotSupported
	default:
		return false
	}
}
