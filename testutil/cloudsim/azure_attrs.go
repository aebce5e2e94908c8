package cloudsim

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	azureArchive     = "Archive"
	azureDefaultType = "application/octet-stream"
	azureMetaPrefix  = "X-Ms-Meta-"
	azureMetaLimit   = 8 << 10
	azureTagsExtra   = "azure.tags"  // the tags, form-encoded
	azureBlockExtra  = "azure.block" // the committed blocks: see azure_block.go
)

var azureTiers = []string{"Hot", "Cool", "Cold", azureArchive}

// attributes reads the headers that a Put Blob or Put Block List sets.
func (rq *azureRequest) attributes(o *Object) (err error) {
	h := rq.r.Header
	if o.Metadata, err = azureMetadata(h); err != nil {
		return err
	}
	o.ContentType = h.Get("X-Ms-Blob-Content-Type")
	if o.ContentType == "" && rq.op == "Put Blob" {
		o.ContentType = h.Get("Content-Type")
	}
	if o.ContentType == "" {
		o.ContentType = azureDefaultType
	}
	o.CacheControl = h.Get("X-Ms-Blob-Cache-Control")
	o.ContentEncoding = h.Get("X-Ms-Blob-Content-Encoding")
	o.ContentLanguage = h.Get("X-Ms-Blob-Content-Language")
	o.ContentDisposition = h.Get("X-Ms-Blob-Content-Disposition")
	if tier := h.Get("X-Ms-Access-Tier"); tier != "" {
		if !slices.Contains(azureTiers, tier) {
			return azureBadHeader("x-ms-access-tier")
		}
		o.StorageClass = tier
	}
	if tags := h.Get("X-Ms-Tags"); tags != "" {
		values, err := url.ParseQuery(tags)
		if err != nil || len(values) > 10 {
			return azureErr(http.StatusBadRequest, "InvalidTag", "The tags specified are invalid.")
		}
		o.Extra = map[string]string{azureTagsExtra: values.Encode()}
	}
	return nil
}

// azureMetadata reads x-ms-meta- headers. Names come out in lower case: Go's
// server has by then lost the case that the client used, which the service keeps
// without giving it a meaning.
func azureMetadata(h http.Header) (map[string]string, error) {
	var meta map[string]string
	size := 0
	for name, values := range h {
		if len(name) < len(azureMetaPrefix) || name[:len(azureMetaPrefix)] != azureMetaPrefix {
			continue
		}
		name = strings.ToLower(name[len(azureMetaPrefix):])
		switch {
		case name == "":
			return nil, azureErr(http.StatusBadRequest, "EmptyMetadataKey", "The key for one of the metadata key-value pairs is empty.")
		case len(values) != 1 || !azureIdentifier(name) || !azureASCII(values[0]):
			return nil, azureErr(http.StatusBadRequest, "InvalidMetadata", "The metadata specified is invalid. It has characters that are not permitted.")
		}
		if meta == nil {
			meta = map[string]string{}
		}
		meta[name] = values[0]
		size += len(name) + len(values[0])
	}
	if size > azureMetaLimit {
		return nil, azureErr(http.StatusBadRequest, "MetadataTooLarge", "The size of the specified metadata exceeds the maximum size permitted.")
	}
	return meta, nil
}

// azureIdentifier reports whether s follows the rules of C# identifiers, as far
// as a header's name can.
func azureIdentifier(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func azureASCII(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

// azureVersionHeaders name the version of o.
func azureVersionHeaders(h http.Header, o *Object) {
	h.Set("ETag", `"`+azureETag(o)+`"`)
	h.Set("Last-Modified", azureTime(o.Updated))
}

// azureBlobHeaders are those of Get Blob and Get Blob Properties, but for the
// ones that depend on a range.
func azureBlobHeaders(h http.Header, o *Object) {
	azureVersionHeaders(h, o)
	for _, header := range [...]struct{ name, value string }{
		{"Content-Type", o.ContentType},
		{"Cache-Control", o.CacheControl},
		{"Content-Encoding", o.ContentEncoding},
		{"Content-Language", o.ContentLanguage},
		{"Content-Disposition", o.ContentDisposition},
	} {
		if header.value != "" {
			h.Set(header.name, header.value)
		}
	}
	if o.ContentType == "" {
		h["Content-Type"] = nil // else the server of net/http guesses one
	}
	if o.MD5 != nil {
		h.Set("Content-Md5", base64.StdEncoding.EncodeToString(o.MD5))
	}
	for name, v := range o.Metadata {
		h.Set(azureMetaPrefix+name, v)
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("X-Ms-Blob-Type", "BlockBlob")
	h.Set("X-Ms-Creation-Time", azureTime(o.Created))
	h.Set("X-Ms-Lease-Status", "unlocked")
	h.Set("X-Ms-Lease-State", "available")
	h.Set("X-Ms-Server-Encrypted", "true")
	h.Set("X-Ms-Access-Tier", azureTier(o))
	if o.StorageClass == "" {
		h.Set("X-Ms-Access-Tier-Inferred", "true")
	}
	if n := len(azureTags(o)); n > 0 {
		h.Set("X-Ms-Tag-Count", strconv.Itoa(n))
	}
}

func azureTier(o *Object) string {
	if slices.Contains(azureTiers, o.StorageClass) {
		return o.StorageClass
	}
	return "Hot"
}

// change applies mutate to the blob under the conditions of the request, and
// answers with its version.
func (rq *azureRequest) change(status int, mutate func(*Object)) error {
	conds, err := azureConditions(rq.r.Header)
	if err != nil {
		return err
	}
	o, err := rq.bucket.Update(rq.blob, rq.origin(), conds.change, func(o *Object) {
		mutate(o)
		o.ETag = azureETag(o)
	})
	if err != nil {
		return err
	}
	azureVersionHeaders(rq.w.Header(), o)
	rq.reply(status)
	return nil
}

func (rq *azureRequest) setMetadata() error {
	meta, err := azureMetadata(rq.r.Header)
	if err != nil {
		return err
	}
	return rq.change(http.StatusOK, func(o *Object) { o.Metadata = meta })
}

// setProperties sets all of the properties: those that are not sent are cleared,
// the MD5 among them.
func (rq *azureRequest) setProperties() error {
	h := rq.r.Header
	md5, err := azureMD5Header(h)
	if err != nil {
		return err
	}
	return rq.change(http.StatusOK, func(o *Object) {
		o.ContentType = h.Get("X-Ms-Blob-Content-Type")
		o.CacheControl = h.Get("X-Ms-Blob-Cache-Control")
		o.ContentEncoding = h.Get("X-Ms-Blob-Content-Encoding")
		o.ContentLanguage = h.Get("X-Ms-Blob-Content-Language")
		o.ContentDisposition = h.Get("X-Ms-Blob-Content-Disposition")
		o.MD5 = md5
	})
}

// azureMD5Header reads x-ms-blob-content-md5; nil where it was not sent.
func azureMD5Header(h http.Header) ([]byte, error) {
	v := h.Get("X-Ms-Blob-Content-Md5")
	if v == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(sum) != 16 {
		return nil, azureErr(http.StatusBadRequest, "InvalidMd5", "The MD5 value specified in the request is invalid.")
	}
	return sum, nil
}

// setTier takes effect at once, where rehydrating takes the service hours.
func (rq *azureRequest) setTier() error {
	tier := rq.r.Header.Get("X-Ms-Access-Tier")
	if !slices.Contains(azureTiers, tier) {
		return azureBadHeader("x-ms-access-tier")
	}
	return rq.keepVersion(http.StatusOK, func(o *Object) { o.StorageClass = tier })
}

// keepVersion changes what is no part of a version: a tier or tags.
func (rq *azureRequest) keepVersion(status int, mutate func(*Object)) error {
	var was *Object
	_, err := rq.bucket.Update(rq.blob, rq.origin(), func(cur *Object) error {
		if was = cur; cur == nil {
			return azureBlobNotFound()
		}
		return nil
	}, func(o *Object) {
		o.Metageneration, o.Updated = was.Metageneration, was.Updated
		mutate(o)
	})
	if err != nil {
		return err
	}
	rq.reply(status)
	return nil
}

type azureTagsXML struct {
	XMLName xml.Name   `xml:"Tags"`
	Tags    []azureTag `xml:"TagSet>Tag"`
}

type azureTag struct {
	Key   string
	Value string
}

func (rq *azureRequest) setTags() error {
	body, err := rq.body(64 << 10)
	if err != nil {
		return err
	}
	var sent azureTagsXML
	if err := xml.Unmarshal(body, &sent); err != nil {
		return azureErr(http.StatusBadRequest, "InvalidXmlDocument", "The specified XML is not syntactically valid.")
	}
	values := url.Values{}
	for _, t := range sent.Tags {
		values.Set(t.Key, t.Value)
	}
	if len(values) > 10 {
		return azureErr(http.StatusBadRequest, "InvalidTag", "The tags specified are invalid.")
	}
	return rq.keepVersion(http.StatusNoContent, func(o *Object) {
		if o.Extra == nil {
			o.Extra = map[string]string{}
		}
		o.Extra[azureTagsExtra] = values.Encode()
	})
}

func (rq *azureRequest) getTags() error {
	o := rq.bucket.Get(rq.blob)
	if o == nil {
		return azureBlobNotFound()
	}
	out, err := xml.Marshal(azureTagsXML{Tags: azureTags(o)})
	if err != nil {
		return err
	}
	rq.w.Header().Set("Content-Type", "application/xml")
	rq.reply(http.StatusOK)
	_, _ = rq.w.Write(out)
	return nil
}

// azureTags returns the tags of o, ordered by key.
func azureTags(o *Object) []azureTag {
	if o.Extra[azureTagsExtra] == "" {
		return nil
	}
	values, err := url.ParseQuery(o.Extra[azureTagsExtra])
	if err != nil {
		return nil // written by attributes and setTags only
	}
	var tags []azureTag
	for k := range values {
		tags = append(tags, azureTag{k, values.Get(k)})
	}
	slices.SortFunc(tags, func(a, b azureTag) int { return strings.Compare(a.Key, b.Key) })
	return tags
}
