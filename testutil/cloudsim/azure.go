package cloudsim

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// AzureAccount and AzureAccountKey are the account that AzureOptions defaults
// to, and the key that the emulators' documents publish for it.
const (
	AzureAccount    = "devstoreaccount1"
	AzureAccountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// azureVersion is answered to requests that name no x-ms-version.
const azureVersion = "2026-06-06"

// AzureOptions configure an Azure Blob face. Zero values choose the defaults.
type AzureOptions struct {
	Account string // default AzureAccount

	// AccountKey, in base64, makes the face check SharedKey signatures and
	// shared access signatures. "" accepts every request, signed or not.
	AccountKey string

	Recorder *Recorder

	// Faults, if any, decide which requests fail.
	Faults *Faults

	// PageSize is the most blobs that a page of a listing holds, whatever the
	// request asks for: the service may always answer with a short page.
	PageSize int

	// Hierarchical makes an account with a hierarchical namespace: listings
	// are ordered by path segment, and Get Account Information says so.
	Hierarchical bool

	// Order, if set, is the order of listings instead of byte order.
	Order func(a, b string) int

	// NoCRC64 and NoStartFrom emulate servers that refuse x-ms-content-crc64
	// (500 FeatureNotSupported) and that ignore startFrom.
	NoCRC64     bool
	NoStartFrom bool
}

// AzureConnectionString is what AZURE_STORAGE_CONNECTION_STRING holds for a face
// served at serverURL. Empty account and key choose the defaults.
func AzureConnectionString(serverURL, account, key string) string {
	account, key = cmp.Or(account, AzureAccount), cmp.Or(key, AzureAccountKey)
	scheme, _, _ := strings.Cut(serverURL, ":")
	return fmt.Sprintf("DefaultEndpointsProtocol=%s;AccountName=%s;AccountKey=%s;BlobEndpoint=%s/%s;",
		scheme, account, key, strings.TrimRight(serverURL, "/"), account)
}

// NewAzure returns an Azure Blob Storage face on core, with path-style account
// URLs: http://host/ACCOUNT/CONTAINER/BLOB. It serves block blobs as the Blob
// service REST API documents them, and neither snapshots, versions nor leases.
func NewAzure(core *Core, opts AzureOptions) http.Handler {
	opts.Account = cmp.Or(opts.Account, AzureAccount)
	if opts.PageSize <= 0 || opts.PageSize > azureMaxResults {
		opts.PageSize = azureMaxResults
	}
	if opts.Hierarchical && opts.Order == nil {
		opts.Order = azureSegmentOrder
	}
	return &azureFace{
		core: core, opts: opts,
		key:     azureDecodeKey(opts.AccountKey),
		blocks:  map[azureBlobName]*azureBlocks{},
		sources: azureSourceClient(),
	}
}

type azureFace struct {
	core    *Core
	opts    AzureOptions
	key     []byte // nil: nothing is checked
	sources *http.Client
	lastID  atomic.Uint64

	// mu guards blocks. It may be taken while a bucket is locked, never the
	// other way round.
	mu     sync.Mutex
	blocks map[azureBlobName]*azureBlocks
}

// azureRequest is one request as it is served.
type azureRequest struct {
	*azureFace
	w         http.ResponseWriter
	r         *http.Request
	op        string
	container string
	blob      string
	query     url.Values
	bucket    *Bucket    // of operations on a blob and of listings
	id        string     // x-ms-request-id
	fault     *injection // nil for none
	recorded  bool
}

// ServeHTTP serves one request.
func (f *azureFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rq := &azureRequest{azureFace: f, w: w, r: r, op: "Unknown", id: f.nextID()}
	h := w.Header()
	h.Set("Server", "cloudsim-Azure-Blob")
	h.Set("X-Ms-Request-Id", rq.id)
	h.Set("X-Ms-Version", cmp.Or(r.Header.Get("X-Ms-Version"), azureVersion))
	h.Set("Date", f.core.now().UTC().Format(http.TimeFormat))
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" {
		h.Set("X-Ms-Client-Request-Id", id)
	}
	defer func() {
		if !rq.recorded { // a fault ended the handler
			rq.record(0)
		}
	}()
	if err := rq.serve(); err != nil {
		rq.fail(err)
	}
	rq.fault.end(r)
}

func (rq *azureRequest) serve() error {
	if err := rq.parse(); err != nil {
		return err
	}
	serve, err := rq.route()
	if err != nil {
		return err
	}
	if rq.fault = rq.opts.Faults.pick(rq.op, rq.blob); rq.fault != nil {
		if err := rq.fault.azure(rq.w.Header()); err != nil {
			return err
		}
		rq.w = rq.fault.begin(rq.w, rq.r)
	}
	if err := rq.authorize(); err != nil {
		return err
	}
	if rq.blob != "" || rq.op == "List Blobs" {
		if rq.bucket = rq.core.Bucket(rq.container); rq.bucket == nil {
			return azureErr(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
		}
	}
	return serve(rq)
}

// azureRoutes is keyed by level, method, and comp or what else tells apart.
var azureRoutes = map[string]struct {
	op    string
	serve func(*azureRequest) error
}{
	"account GET properties":    {"Get Account Information", (*azureRequest).accountInfo},
	"account HEAD properties":   {"Get Account Information", (*azureRequest).accountInfo},
	"container PUT ":            {"Create Container", (*azureRequest).createContainer},
	"container GET ":            {"Get Container Properties", (*azureRequest).containerProperties},
	"container HEAD ":           {"Get Container Properties", (*azureRequest).containerProperties},
	"container DELETE ":         {"Delete Container", (*azureRequest).deleteContainer},
	"container GET list":        {"List Blobs", (*azureRequest).listBlobs},
	"container GET properties":  {"Get Account Information", (*azureRequest).accountInfo},
	"container HEAD properties": {"Get Account Information", (*azureRequest).accountInfo},
	"blob GET properties":       {"Get Account Information", (*azureRequest).accountInfo},
	"blob PUT ":                 {"Put Blob", (*azureRequest).putBlob},
	"blob PUT  from":            {"Put Blob From URL", (*azureRequest).putBlobFromURL},
	"blob PUT block":            {"Put Block", (*azureRequest).putBlock},
	"blob PUT block from":       {"Put Block From URL", (*azureRequest).putBlockFromURL},
	"blob PUT blocklist":        {"Put Block List", (*azureRequest).putBlockList},
	"blob GET blocklist":        {"Get Block List", (*azureRequest).getBlockList},
	"blob GET ":                 {"Get Blob", (*azureRequest).getBlob},
	"blob HEAD ":                {"Get Blob Properties", (*azureRequest).getBlob},
	"blob DELETE ":              {"Delete Blob", (*azureRequest).deleteBlob},
	"blob PUT metadata":         {"Set Blob Metadata", (*azureRequest).setMetadata},
	"blob PUT properties":       {"Set Blob Properties", (*azureRequest).setProperties},
	"blob PUT tier":             {"Set Blob Tier", (*azureRequest).setTier},
	"blob PUT tags":             {"Set Blob Tags", (*azureRequest).setTags},
	"blob GET tags":             {"Get Blob Tags", (*azureRequest).getTags},
}

func (rq *azureRequest) route() (func(*azureRequest) error, error) {
	for _, name := range []string{"snapshot", "versionid", "delimiter"} {
		if rq.query.Has(name) {
			return nil, azureErr(http.StatusBadRequest, "UnsupportedQueryParameter", "This server does not serve the parameter "+name+".")
		}
	}
	level := "account "
	switch {
	case rq.blob != "":
		level = "blob "
	case rq.container != "":
		level = "container "
	}
	which := level + rq.r.Method + " " + rq.query.Get("comp")
	if level == "blob " && rq.r.Method == http.MethodPut && rq.r.Header.Get("X-Ms-Copy-Source") != "" {
		which += " from"
	}
	route, ok := azureRoutes[which]
	if !ok {
		return nil, azureErr(http.StatusBadRequest, "UnsupportedHttpVerb", "This server does not serve this operation.")
	}
	rq.op = route.op
	return route.serve, nil
}

// reply records the request and sends the status; a body may follow.
func (rq *azureRequest) reply(status int) {
	rq.record(status)
	rq.w.WriteHeader(status)
}

func (rq *azureRequest) record(status int) {
	rq.recorded = true
	rq.opts.Recorder.Record(Call{Op: rq.op, Bucket: rq.container, Key: rq.blob, Status: status})
}

// origin goes into the events of a change.
func (rq *azureRequest) origin() Origin {
	return Origin{
		Operation: strings.ReplaceAll(rq.op, " ", ""),
		RequestID: cmp.Or(rq.r.Header.Get("X-Ms-Client-Request-Id"), rq.id),
	}
}

// body reads the whole request body, which must have the announced length.
func (rq *azureRequest) body(limit int64) ([]byte, error) {
	switch n := rq.r.ContentLength; {
	case n < 0:
		return nil, azureErr(http.StatusLengthRequired, "MissingContentLengthHeader", "The Content-Length header was not specified.")
	case n > limit:
		return nil, azureErr(http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit.")
	case n <= azureTrustedLength:
		buf := make([]byte, n)
		if _, err := io.ReadFull(rq.r.Body, buf); err != nil {
			return nil, azureErr(http.StatusBadRequest, "InvalidInput", "The request body ended early.")
		}
		return buf, nil
	}
	buf, err := io.ReadAll(rq.r.Body)
	if err != nil || int64(len(buf)) != rq.r.ContentLength {
		return nil, azureErr(http.StatusBadRequest, "InvalidInput", "The request body ended early.")
	}
	return buf, nil
}

// azureTrustedLength is up to where a buffer is made before the bytes are there.
const azureTrustedLength = 64 << 20

func (f *azureFace) nextID() string {
	n := f.lastID.Add(1)
	return fmt.Sprintf("%08x-c10d-5100-0000-%012x", uint32(n>>32), n)
}

func azureTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
