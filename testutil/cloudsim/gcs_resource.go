package cloudsim

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// gcsResource is an object as the JSON API shows it ("Objects: resource
// representations"). Numbers of 64 bits are strings.
type gcsResource struct {
	Kind                    string            `json:"kind,omitempty"`
	ID                      string            `json:"id,omitempty"`
	SelfLink                string            `json:"selfLink,omitempty"`
	MediaLink               string            `json:"mediaLink,omitempty"`
	Name                    string            `json:"name,omitempty"`
	Bucket                  string            `json:"bucket,omitempty"`
	Generation              string            `json:"generation,omitempty"`
	Metageneration          string            `json:"metageneration,omitempty"`
	ContentType             string            `json:"contentType,omitempty"`
	CacheControl            string            `json:"cacheControl,omitempty"`
	ContentEncoding         string            `json:"contentEncoding,omitempty"`
	ContentDisposition      string            `json:"contentDisposition,omitempty"`
	ContentLanguage         string            `json:"contentLanguage,omitempty"`
	Metadata                map[string]string `json:"metadata,omitempty"`
	StorageClass            string            `json:"storageClass,omitempty"`
	Size                    string            `json:"size,omitempty"`
	CRC32C                  string            `json:"crc32c,omitempty"`
	MD5Hash                 string            `json:"md5Hash,omitempty"`
	ETag                    string            `json:"etag,omitempty"`
	ComponentCount          int               `json:"componentCount,omitempty"`
	TimeCreated             string            `json:"timeCreated,omitempty"`
	Updated                 string            `json:"updated,omitempty"`
	TimeStorageClassUpdated string            `json:"timeStorageClassUpdated,omitempty"`
	TimeFinalized           string            `json:"timeFinalized,omitempty"`
}

// gcsComponents is the key in Object.Extra for the parts of a composed object.
const gcsComponents = "gcs.componentCount"

func newGCSResource(base, bucket string, o *Object) *gcsResource {
	gen := strconv.FormatInt(o.Generation, 10)
	created := gcsTime(o.Created)
	links := base + "/storage/v1/b/" + bucket + "/o/" + url.PathEscape(o.Name)
	class := o.StorageClass
	if class == "" {
		class = "STANDARD"
	}
	r := &gcsResource{
		Kind:               "storage#object",
		ID:                 bucket + "/" + o.Name + "/" + gen,
		SelfLink:           links,
		MediaLink:          base + "/download" + links[len(base):] + "?generation=" + gen + "&alt=media",
		Name:               o.Name,
		Bucket:             bucket,
		Generation:         gen,
		Metageneration:     strconv.FormatInt(o.Metageneration, 10),
		ContentType:        o.ContentType,
		CacheControl:       o.CacheControl,
		ContentEncoding:    o.ContentEncoding,
		ContentDisposition: o.ContentDisposition,
		ContentLanguage:    o.ContentLanguage,
		Metadata:           o.Metadata,
		StorageClass:       class,
		Size:               strconv.Itoa(len(o.Body)),
		CRC32C:             gcsCRC(o.CRC32C),
		ETag:               gcsETag(o),
		TimeCreated:        created, TimeStorageClassUpdated: created, TimeFinalized: created,
		Updated: gcsTime(o.Updated),
	}
	if o.MD5 != nil {
		r.MD5Hash = base64.StdEncoding.EncodeToString(o.MD5)
	}
	if n := o.Extra[gcsComponents]; n != "" {
		r.ComponentCount, _ = strconv.Atoi(n)
	}
	return r
}

func gcsTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func gcsCRC(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// gcsETag is the JSON API's: a protocol buffer of generation and
// metageneration, in base64.
func gcsETag(o *Object) string {
	b := binary.AppendUvarint([]byte{1 << 3}, uint64(o.Generation))
	b = binary.AppendUvarint(append(b, 2<<3), uint64(o.Metageneration))
	return base64.StdEncoding.EncodeToString(b)
}

// gcsBase is the URL that the request came to.
func gcsBase(r *http.Request) string { return "http://" + r.Host }

// gcsFieldClears names the fields of a resource and how to clear each.
func gcsFieldClears() map[string]func(*gcsResource) {
	return map[string]func(*gcsResource){
		"kind":                    func(r *gcsResource) { r.Kind = "" },
		"id":                      func(r *gcsResource) { r.ID = "" },
		"selfLink":                func(r *gcsResource) { r.SelfLink = "" },
		"mediaLink":               func(r *gcsResource) { r.MediaLink = "" },
		"name":                    func(r *gcsResource) { r.Name = "" },
		"bucket":                  func(r *gcsResource) { r.Bucket = "" },
		"generation":              func(r *gcsResource) { r.Generation = "" },
		"metageneration":          func(r *gcsResource) { r.Metageneration = "" },
		"contentType":             func(r *gcsResource) { r.ContentType = "" },
		"cacheControl":            func(r *gcsResource) { r.CacheControl = "" },
		"contentEncoding":         func(r *gcsResource) { r.ContentEncoding = "" },
		"contentDisposition":      func(r *gcsResource) { r.ContentDisposition = "" },
		"contentLanguage":         func(r *gcsResource) { r.ContentLanguage = "" },
		"metadata":                func(r *gcsResource) { r.Metadata = nil },
		"storageClass":            func(r *gcsResource) { r.StorageClass = "" },
		"size":                    func(r *gcsResource) { r.Size = "" },
		"crc32c":                  func(r *gcsResource) { r.CRC32C = "" },
		"md5Hash":                 func(r *gcsResource) { r.MD5Hash = "" },
		"etag":                    func(r *gcsResource) { r.ETag = "" },
		"componentCount":          func(r *gcsResource) { r.ComponentCount = 0 },
		"timeCreated":             func(r *gcsResource) { r.TimeCreated = "" },
		"updated":                 func(r *gcsResource) { r.Updated = "" },
		"timeStorageClassUpdated": func(r *gcsResource) { r.TimeStorageClassUpdated = "" },
		"timeFinalized":           func(r *gcsResource) { r.TimeFinalized = "" },
	}
}

// gcsCopyAttrs copies what a client may set from one object to another.
func gcsCopyAttrs(to, from *Object) {
	to.ContentType = from.ContentType
	to.CacheControl = from.CacheControl
	to.ContentEncoding = from.ContentEncoding
	to.ContentDisposition = from.ContentDisposition
	to.ContentLanguage = from.ContentLanguage
	to.StorageClass = from.StorageClass
	to.Metadata = maps.Clone(from.Metadata)
}
