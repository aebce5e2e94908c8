package gcs

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"
	rawstorage "google.golang.org/api/storage/v1"
	htransport "google.golang.org/api/transport/http"
)

// ClientOptions say how to reach the service. The zero value reaches Google's
// with the application default credentials.
type ClientOptions struct {
	// Endpoint is the root URL of an emulator or a private endpoint, such as
	// http://127.0.0.1:4443; "" is Google's.
	Endpoint string

	Anonymous   bool              // send no credentials
	Credentials *auth.Credentials // default: the application default credentials

	// Transport carries the requests, below authentication. Default: a clone
	// of http.DefaultTransport that speaks HTTP/1.1.
	Transport http.RoundTripper
}

// Client is the client of one account, shared by the stores on its buckets.
// Besides the SDK's own there is its generated client on the same connections,
// for what the SDK cannot express: sending a body from memory again after an
// error, and removing single entries of metadata.
type Client struct {
	sdk  *storage.Client
	raw  *rawstorage.Service
	http *http.Client
}

// NewClient returns a Client. ctx is that of the connections, for its lifetime.
func NewClient(ctx context.Context, opts ClientOptions) (*Client, error) {
	transport := opts.Transport
	if transport == nil {
		transport = defaultTransport()
	}
	if !opts.Anonymous {
		creds, err := opts.Credentials, error(nil)
		if creds == nil {
			creds, err = detect()
		}
		if err != nil {
			return nil, fmt.Errorf("no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run \"gcloud auth application-default login\" (for an emulator set STORAGE_EMULATOR_HOST): %w", err)
		}
		if transport, err = htransport.NewTransport(ctx, transport, option.WithAuthCredentials(creds)); err != nil {
			return nil, fmt.Errorf("google credentials: %w", err)
		}
	}
	hc := &http.Client{Transport: &observer{base: &detacher{base: transport}}}
	clientOpts := []option.ClientOption{option.WithHTTPClient(hc), option.WithoutAuthentication(), option.WithLogger(silent())}
	if opts.Endpoint != "" {
		clientOpts = append(clientOpts, option.WithEndpoint(opts.Endpoint+"/storage/v1/"))
	}
	sdk, err := storage.NewClient(ctx, clientOpts...)
	if err != nil {
		return nil, err
	}
	raw, err := rawstorage.NewService(ctx, clientOpts...)
	if err != nil {
		return nil, err
	}
	return &Client{sdk: sdk, raw: raw, http: hc}, nil
}

// Close releases connections.
func (c *Client) Close() error {
	err := c.sdk.Close()
	c.http.CloseIdleConnections()
	return err
}

// defaultTransport speaks HTTP/1.1: many connections carry more than one
// HTTP/2 connection, and HTTP/2 fails whole responses over a name of metadata
// that is no valid header (googleapis/google-cloud-go issue 5098).
func defaultTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // documented in net/http
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = 256
	t.ResponseHeaderTimeout = 2 * time.Minute
	t.WriteBufferSize = 64 << 10
	t.ReadBufferSize = 64 << 10
	return t
}

// observer keeps, for the calls that ask for it, what the SDK drops of a
// response: headers of a read, and the code of a 404.
type observer struct {
	base http.RoundTripper
}

type observationKey struct{}

// observation is of the last response to a call.
type observation struct {
	header http.Header
	code   string // of an error in XML, for 404 only

	from  string // the Range of the last answer with a body
	again int    // how many before it began there too
}

// observe returns a context whose requests are observed. The observation must
// not be read while a request is under way.
func observe(ctx context.Context) (context.Context, *observation) {
	o := new(observation)
	return context.WithValue(ctx, observationKey{}, o), o
}

func (t *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		// The SDK reads all of an error, and the transport may unpack it.
		resp.Body = readCloser{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
	}
	if o, ok := req.Context().Value(observationKey{}).(*observation); ok && err == nil {
		if resp.StatusCode/100 == 2 && !o.progress(req.Header.Get("Range")) {
			_ = resp.Body.Close()
			return nil, errNoProgress
		}
		o.header, o.code = resp.Header, ""
		if resp.StatusCode == http.StatusNotFound {
			o.code = errorCode(resp)
		}
	}
	return resp, err
}

// maxAgain is how often a body may break off before its first byte.
const maxAgain = 3

var errNoProgress = fmt.Errorf("the body broke off %d times without a byte: %w", maxAgain, io.ErrUnexpectedEOF)

// progress bounds what the SDK does not: it takes up a broken body at once, and
// forever, for as long as the service begins to answer.
func (o *observation) progress(from string) bool {
	if o.header == nil || from != o.from {
		o.from, o.again = from, 0
		return true
	}
	o.again++
	return o.again <= maxAgain
}

type readCloser struct {
	io.Reader
	io.Closer
}

// CloseIdleConnections is called by http.Client.
func (t *observer) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// maxErrorBody bounds what is read of an error.
const maxErrorBody = 64 << 10

// errorCode reads the code from an error of the XML API, and leaves the body
// to be read again.
func errorCode(resp *http.Response) string {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return ""
	}
	code, _ := parseXMLError(body)
	return code
}

func parseXMLError(body []byte) (code, message string) {
	var e struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	if xml.Unmarshal(body, &e) != nil {
		return "", ""
	}
	return e.Code, e.Message
}
