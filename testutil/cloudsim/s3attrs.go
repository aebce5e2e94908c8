package cloudsim

import (
	"encoding/hex"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Attributes that only S3 knows, as kept in Object.Extra.
const (
	s3ExtraExpires  = "s3-expires"
	s3ExtraRedirect = "s3-website-redirect"
	s3ExtraSSE      = "s3-sse"
	s3ExtraTagging  = "s3-tagging"
)

// s3ExtraHeaders are the headers of a PUT that are kept in Extra.
var s3ExtraHeaders = [][2]string{
	{s3ExtraExpires, "Expires"},
	{s3ExtraRedirect, "x-amz-website-redirect-location"},
	{s3ExtraSSE, "x-amz-server-side-encryption"},
	{s3ExtraTagging, "x-amz-tagging"},
}

// s3Refused are headers whose meaning the face does not know: to ignore them
// would be to lose what they ask for.
var s3Refused = []string{
	"x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold",
	"x-amz-server-side-encryption-customer-algorithm", "x-amz-write-offset-bytes",
	"x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write-acp",
}

var s3StorageClasses = map[string]bool{
	"STANDARD": true, "REDUCED_REDUNDANCY": true, "STANDARD_IA": true, "ONEZONE_IA": true,
	"INTELLIGENT_TIERING": true, "GLACIER": true, "DEEP_ARCHIVE": true, "GLACIER_IR": true,
}

// s3Attributes reads the attributes of a new object from the headers of h.
func s3Attributes(h http.Header, o *Object) error {
	for _, name := range s3Refused {
		if h.Get(name) != "" {
			return s3Fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented").with("Header", name)
		}
	}
	o.ContentType = h.Get("Content-Type")
	o.CacheControl = h.Get("Cache-Control")
	o.ContentEncoding = s3StoredEncoding(h.Get("Content-Encoding"))
	o.ContentDisposition = h.Get("Content-Disposition")
	o.ContentLanguage = h.Get("Content-Language")
	o.Metadata = map[string]string{}
	total := 0
	for name, values := range h {
		key, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-")
		if !ok {
			continue
		}
		v := s3HeaderText(strings.Join(values, ","))
		o.Metadata[key] = v
		total += len(key) + len(v)
	}
	if total > s3MaxMetadata {
		return s3Fail(http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			with("Size", strconv.Itoa(total)).with("MaxSizeAllowed", strconv.Itoa(s3MaxMetadata))
	}
	if o.Extra == nil {
		o.Extra = map[string]string{}
	}
	for _, x := range s3ExtraHeaders {
		if v := h.Get(x[1]); v != "" {
			o.Extra[x[0]] = v
		}
	}
	if sse := o.Extra[s3ExtraSSE]; sse != "" && sse != "AES256" && sse != "aws:kms" {
		return s3InvalidArgument("x-amz-server-side-encryption", sse, "The encryption method specified is not supported")
	}
	return s3Class(h, o)
}

func s3Class(h http.Header, o *Object) error {
	class := h.Get("x-amz-storage-class")
	if class == "" {
		class = "STANDARD"
	}
	if !s3StorageClasses[class] {
		return s3Fail(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid")
	}
	o.StorageClass = class
	return nil
}

// s3StoredEncoding drops aws-chunked, which is of the transfer only.
func s3StoredEncoding(v string) string {
	var kept []string
	for e := range strings.SplitSeq(v, ",") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

// s3HeaderText is how S3 understands bytes above ASCII in a metadata header: as
// Latin-1, so that bare UTF-8 comes back as other characters. The example of
// "Working with object metadata" shows it.
func s3HeaderText(v string) string {
	for i := range len(v) {
		if v[i] >= utf8.RuneSelf {
			r := make([]rune, len(v))
			for j := range len(v) {
				r[j] = rune(v[j])
			}
			return string(r)
		}
	}
	return v
}

// s3WriteAttributes puts the attributes of o into response headers.
func (f *s3Face) s3WriteAttributes(h http.Header, o *Object) {
	set := func(name, v string) {
		if v != "" {
			h.Set(name, v)
		}
	}
	contentType := o.ContentType
	if contentType == "" {
		contentType = "binary/octet-stream"
	}
	h.Set("Content-Type", contentType)
	set("Cache-Control", o.CacheControl)
	set("Content-Encoding", o.ContentEncoding)
	set("Content-Disposition", o.ContentDisposition)
	set("Content-Language", o.ContentLanguage)
	for _, x := range s3ExtraHeaders {
		if x[0] != s3ExtraTagging && x[0] != s3ExtraSSE {
			set(x[1], o.Extra[x[0]])
		}
	}
	f.writeEncryption(h, o)
	if t := o.Extra[s3ExtraTagging]; t != "" {
		h.Set("x-amz-tagging-count", strconv.Itoa(strings.Count(t, "&")+1))
	}
	if o.StorageClass != "" && o.StorageClass != "STANDARD" {
		h.Set("x-amz-storage-class", o.StorageClass)
	}
	missing := 0
	for k, v := range o.Metadata {
		text, ok := s3MetadataHeader(v)
		if !ok || !s3Token(k) {
			missing++
			continue
		}
		h.Set("x-amz-meta-"+k, text)
	}
	if missing > 0 {
		h.Set("x-amz-missing-meta", strconv.Itoa(missing))
	}
}

// writeEncryption reports how o is encrypted: all of S3 is, with SSE-S3 when
// nothing else was asked for.
func (f *s3Face) writeEncryption(h http.Header, o *Object) {
	if f.opts.Interop {
		return
	}
	sse := o.Extra[s3ExtraSSE]
	if sse == "" {
		sse = "AES256"
	}
	h.Set("x-amz-server-side-encryption", sse)
}

// s3MetadataHeader is a metadata value as it goes into a header; ok is false
// for what cannot (x-amz-missing-meta).
func s3MetadataHeader(v string) (text string, ok bool) {
	ascii := true
	for i := range len(v) {
		if v[i] < 0x20 && v[i] != '\t' || v[i] == 0x7f {
			return "", false
		}
		ascii = ascii && v[i] < utf8.RuneSelf
	}
	if ascii {
		return v, true
	}
	return mime.BEncoding.Encode("UTF-8", v), true
}

// s3Token reports whether s can be part of a header name.
func s3Token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// s3ETag is the ETag of o without quotes: as set by this face, else that of a
// plain PUT.
func s3ETag(o *Object) string {
	plain, _, _ := strings.Cut(o.ETag, "-")
	if b, err := hex.DecodeString(plain); err == nil && len(b) == 16 {
		return o.ETag
	}
	if o.MD5 != nil {
		return hex.EncodeToString(o.MD5)
	}
	return hex.EncodeToString(NewObject(o.Name, o.Body).MD5)
}
