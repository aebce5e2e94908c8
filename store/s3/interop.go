package s3

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
)

// Interoperable makes an S3 client speak to Cloud Storage with HMAC keys: path
// style, no checksums of S3's own, headers in the x-goog-* dialect, signed
// GOOG4-HMAC-SHA256 ("HMAC keys", "XML API headers").
func Interoperable(o *s3.Options) {
	o.UsePathStyle = true
	if o.Region == "" {
		o.Region = "auto"
	}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.HTTPSignerV4 = googleSigner{}
	inner := o.HTTPClient
	if inner == nil {
		inner = awshttp.NewBuildableClient()
	}
	o.HTTPClient = googleClient{inner}
}

// googleClient gives answers the names that the SDK looks for.
type googleClient struct{ inner s3.HTTPClient }

func (c googleClient) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.inner.Do(r)
	if err != nil {
		return nil, err
	}
	for name, values := range resp.Header {
		if rest, ok := strings.CutPrefix(name, "X-Goog-Meta-"); ok {
			resp.Header["X-Amz-Meta-"+rest] = values
		}
	}
	if class := resp.Header.Get("x-goog-storage-class"); class != "" {
		resp.Header.Set("x-amz-storage-class", class)
	}
	return resp, nil
}

// googleSigner respells a request of the SDK and signs it. Only the headers of
// Google and Host are signed: its front end rewrites Accept-Encoding on the way,
// which breaks signatures that cover it.
type googleSigner struct{}

func (googleSigner) SignHTTP(_ context.Context, c aws.Credentials, r *http.Request, payloadHash, _, region string, at time.Time, _ ...func(*v4.SignerOptions)) error {
	const algorithm, service, terminator = "GOOG4-HMAC-SHA256", "storage", "goog4_request"
	googleHeaders(r.Header)
	date := at.UTC().Format("20060102T150405Z")
	r.Header.Set("x-goog-date", date)
	r.Header.Set("x-goog-content-sha256", payloadHash)
	query := r.URL.Query()
	query.Del("x-id") // the SDK's own
	r.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")

	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	lines := []string{"host:" + host}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-goog-") {
			lines = append(lines, lower+":"+strings.Join(strings.Fields(r.Header.Get(name)), " "))
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(headerName(a), headerName(b)) })
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = headerName(l)
	}
	signed := strings.Join(names, ";")
	canonical := r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n" +
		strings.Join(lines, "\n") + "\n\n" + signed + "\n" + payloadHash
	scope := date[:8] + "/" + region + "/" + service + "/" + terminator
	hash := sha256.Sum256([]byte(canonical))
	key := []byte("GOOG4" + c.SecretAccessKey)
	for _, part := range []string{date[:8], region, service, terminator} {
		key = sign(key, part)
	}
	signature := hex.EncodeToString(sign(key, algorithm+"\n"+date+"\n"+scope+"\n"+hex.EncodeToString(hash[:])))
	r.Header.Set("Authorization", algorithm+" Credential="+c.AccessKeyID+"/"+scope+", SignedHeaders="+signed+", Signature="+signature)
	return nil
}

// googleHeaders respells the vendor headers. Stored bytes are asked for, which
// Cloud Storage would otherwise decompress.
func googleHeaders(h http.Header) {
	for name, values := range h {
		lower := strings.ToLower(name)
		rest, ok := strings.CutPrefix(lower, "x-amz-")
		if !ok {
			if strings.HasPrefix(lower, "amz-sdk-") {
				delete(h, name)
			}
			continue
		}
		delete(h, name)
		if !strings.HasPrefix(rest, "checksum-") && !strings.HasPrefix(rest, "sdk-") {
			h[http.CanonicalHeaderKey("x-goog-"+rest)] = values
		}
	}
	h.Set("Accept-Encoding", "gzip")
}

func headerName(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return name
}

func sign(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// interopMatch puts a condition into headers with the given prefix.
func interopMatch(c store.Condition, prefix string) func(*s3.Options) {
	return func(o *s3.Options) {
		if c.Absent {
			setHeader(prefix+"generation-match", "0")(o)
			return
		}
		_, id := split(c.Match)
		if generation, metageneration, ok := strings.Cut(id, "."); ok {
			setHeader(prefix+"generation-match", generation)(o)
			setHeader(prefix+"metageneration-match", metageneration)(o)
		}
	}
}

// resolve completes a condition on a version that a listing named: there it has
// no generation, and writes to Cloud Storage can be bound to nothing else.
func (s *Store) resolve(ctx context.Context, op, key string, c store.Condition) (store.Condition, error) {
	if _, id := split(c.Match); !s.opts.Interop || c.Match == "" || id != "" {
		return c, nil
	}
	out, err := s.head(ctx, key)
	if err != nil {
		return c, s.fail(op, key, err)
	}
	now, err := s.headed(key, out)
	if err != nil {
		return c, err
	}
	if !now.Version.Covers(c.Match) {
		return c, s.errorf(op, key, store.Precondition, "the object is another version")
	}
	return store.Condition{Match: now.Version}, nil
}

func setHeader(name, value string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue(name, value))
	}
}

// interopVersion is the Version of an object on Cloud Storage: the ETag first,
// so that it covers the one of a listing.
func interopVersion(v store.Version, h http.Header) store.Version {
	etag, _ := split(v)
	if g := h.Get("x-goog-generation"); g != "" {
		return store.Version(etag + "@" + g + "." + h.Get("x-goog-metageneration"))
	}
	return v
}

// interopDescribe takes version, size and checksums from Google's headers.
func interopDescribe(o *store.Object, h http.Header) {
	o.Version = interopVersion(o.Version, h)
	o.Checksums = store.Checksums{}
	for _, values := range h.Values("x-goog-hash") {
		for v := range strings.SplitSeq(values, ",") {
			switch name, sum, _ := strings.Cut(strings.TrimSpace(v), "="); name {
			case "crc32c":
				o.Checksums.CRC32C = decode64(&sum, 4)
			case "md5":
				o.Checksums.MD5 = decode64(&sum, 16)
			}
		}
	}
}

// rawHeader returns the headers of the answer that an SDK output came from.
func rawHeader(meta middleware.Metadata) http.Header {
	if r, ok := awsmiddleware.GetRawResponse(meta).(*smithyhttp.Response); ok && r != nil {
		return r.Header
	}
	return nil
}
