package cloudsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	s3SigTime   = "20060102T150405Z"
	s3MaxSkew   = 15 * time.Minute
	s3MaxExpiry = 7 * 24 * time.Hour
	s3EmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// s3Dialect is one of the two spellings of Signature V4: Amazon's, and the one
// Cloud Storage has besides, of which the headers are x-goog-* ("Authenticate
// with HMAC keys", GOOG4-HMAC-SHA256).
type s3Dialect struct {
	algorithm, vendor, keyPrefix, service, terminator string
}

var (
	s3Amazon = s3Dialect{"AWS4-HMAC-SHA256", "x-amz-", "AWS4", "s3", "aws4_request"}
	s3Google = s3Dialect{"GOOG4-HMAC-SHA256", "x-goog-", "GOOG4", "storage", "goog4_request"}
)

// s3Signature is a verified signature, with what the signatures of chunks are
// derived from ("Create a signed AWS API request").
type s3Signature struct {
	dialect   s3Dialect
	key       []byte
	date      string // of the request, ISO 8601 basic
	scope     string
	signature string
}

// s3Claim is what a request says of its signature.
type s3Claim struct {
	credential string
	headers    string // names, separated by semicolons
	signature  string
	date       string
	presigned  bool
	expires    time.Duration
}

// authenticate verifies the Signature V4 of q.
func (f *s3Face) authenticate(q *s3Request) (*s3Signature, error) {
	d := s3Amazon
	if q.google {
		d = s3Google
	}
	claim, err := s3ReadClaim(q, d)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(claim.credential, "/")
	if len(parts) != 5 || parts[3] != d.service || parts[4] != d.terminator {
		return nil, s3MalformedAuth("the Credential is mal-formed")
	}
	secret, ok := f.opts.Credentials[parts[0]]
	if !ok {
		return nil, s3Fail(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	}
	if parts[2] != f.opts.Region && !f.opts.Interop {
		return nil, s3MalformedAuth(fmt.Sprintf("the region '%s' is wrong; expecting '%s'", parts[2], f.opts.Region)).with("Region", f.opts.Region)
	}
	if err := f.checkTime(claim, parts[1]); err != nil {
		return nil, err
	}
	canonical, err := f.canonicalRequest(q, claim, d)
	if err != nil {
		return nil, err
	}
	s := &s3Signature{dialect: d, date: claim.date, scope: strings.Join(parts[1:], "/")}
	s.key = []byte(d.keyPrefix + secret)
	for _, p := range parts[1:] {
		s.key = s3HMAC(s.key, p)
	}
	sum := sha256.Sum256([]byte(canonical))
	s.signature = s.sign(d.algorithm + "\n" + s.date + "\n" + s.scope + "\n" + hex.EncodeToString(sum[:]))
	if subtle.ConstantTimeCompare([]byte(s.signature), []byte(claim.signature)) != 1 {
		return nil, s3BadSignature()
	}
	return s, nil
}

func s3ReadClaim(q *s3Request, d s3Dialect) (c s3Claim, err error) {
	if q.query.Has("X-Amz-Signature") {
		seconds, err := strconv.Atoi(q.query.Get("X-Amz-Expires"))
		if err != nil || seconds < 1 || time.Duration(seconds)*time.Second > s3MaxExpiry {
			return c, s3Fail(http.StatusBadRequest, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds")
		}
		return s3Claim{
			credential: q.query.Get("X-Amz-Credential"),
			headers:    q.query.Get("X-Amz-SignedHeaders"),
			signature:  q.query.Get("X-Amz-Signature"),
			date:       q.query.Get("X-Amz-Date"),
			presigned:  true,
			expires:    time.Duration(seconds) * time.Second,
		}, nil
	}
	rest, ok := strings.CutPrefix(q.sent.Get("Authorization"), d.algorithm+" ")
	if !ok {
		return c, s3Fail(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			c.credential = value
		case "SignedHeaders":
			c.headers = value
		case "Signature":
			c.signature = value
		}
	}
	c.date = q.sent.Get(d.vendor + "date")
	return c, nil
}

func (f *s3Face) checkTime(c s3Claim, day string) error {
	t, err := time.Parse(s3SigTime, c.date)
	if err != nil || !strings.HasPrefix(c.date, day) {
		return s3Fail(http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	age := f.core.now().Sub(t)
	switch {
	case c.presigned && age > c.expires:
		return s3Fail(http.StatusForbidden, "AccessDenied", "Request has expired")
	case c.presigned && age < -s3MaxSkew:
		return s3Fail(http.StatusForbidden, "AccessDenied", "Request is not valid yet")
	case !c.presigned && (age > s3MaxSkew || age < -s3MaxSkew):
		return s3Fail(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	return nil
}

// canonicalRequest builds what was signed. Every vendor header that was sent,
// and Host, must be among the signed ones.
func (f *s3Face) canonicalRequest(q *s3Request, c s3Claim, d s3Dialect) (string, error) {
	signed := strings.Split(c.headers, ";")
	if !slices.Contains(signed, "host") {
		return "", s3BadSignature()
	}
	for name := range q.sent {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, d.vendor) && !slices.Contains(signed, lower) {
			return "", s3Fail(http.StatusForbidden, "AccessDenied", "There were headers present in the request which were not signed").with("HeadersNotSigned", lower)
		}
	}
	var b strings.Builder
	b.WriteString(q.Method + "\n/" + awsEscape(q.bucketName, false))
	if strings.Contains(q.URL.EscapedPath()[1:], "/") {
		b.WriteString("/" + awsEscape(q.key, true))
	}
	b.WriteString("\n" + s3CanonicalQuery(q.query) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + f.canonicalHeader(q, name) + "\n")
	}
	payload := s3PayloadHash(q)
	b.WriteString("\n" + c.headers + "\n" + payload)
	return b.String(), nil
}

func (f *s3Face) canonicalHeader(q *s3Request, name string) string {
	switch name {
	case "host":
		return q.Host
	case "content-length":
		return strconv.FormatInt(q.ContentLength, 10)
	case "accept-encoding":
		if f.opts.Interop {
			return "gzip,gzip(gfe)" // what Google's front end makes of it
		}
	}
	values := slices.Clone(q.sent.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' }), " ")
	}
	return strings.Join(values, ",")
}

func s3CanonicalQuery(query url.Values) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, v := range slices.Sorted(slices.Values(query[name])) {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(awsEscape(name, false) + "=" + awsEscape(v, false))
		}
	}
	return b.String()
}

// chunk is the signature of a chunk of an aws-chunked body.
func (s *s3Signature) chunk(previous, hash string) string {
	return s.sign(s.dialect.algorithm + "-PAYLOAD\n" + s.date + "\n" + s.scope + "\n" + previous + "\n" + s3EmptyHash + "\n" + hash)
}

// trailer is the signature of the trailing headers.
func (s *s3Signature) trailer(previous, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return s.sign(s.dialect.algorithm + "-TRAILER\n" + s.date + "\n" + s.scope + "\n" + previous + "\n" + hex.EncodeToString(sum[:]))
}

func (s *s3Signature) sign(text string) string { return hex.EncodeToString(s3HMAC(s.key, text)) }

func s3HMAC(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// awsEscape is the URI encoding of Signature V4.
func awsEscape(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func s3MalformedAuth(message string) *s3Error {
	return s3Fail(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed; "+message)
}

func s3BadSignature() *s3Error {
	return s3Fail(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
}
