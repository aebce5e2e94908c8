package cloudsim

import (
	"encoding/base64"
	"encoding/xml"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// azureMaxResults is the most blobs in one page.
const azureMaxResults = 5000

// azureMarkerPrefix makes markers look opaque.
const azureMarkerPrefix = "2!"

func (rq *azureRequest) listBlobs() error {
	limit := rq.opts.PageSize
	if v := rq.query.Get("maxresults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return azureErr(http.StatusBadRequest, "OutOfRangeQueryParameterValue", "One of the query parameters specified in the request URI is outside the permissible range.")
		}
		limit = min(limit, n)
	}
	for _, name := range []string{"prefix", "startFrom"} {
		// The answer repeats them, and XML cannot hold these; Azurite fails with 500.
		if strings.ContainsFunc(rq.query.Get(name), func(r rune) bool { return r < ' ' }) {
			return azureErr(http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid.")
		}
	}
	prefix, from, inclusive := rq.query.Get("prefix"), "", true
	if v := rq.query.Get("startFrom"); !rq.opts.NoStartFrom {
		from = v
	}
	if marker := rq.query.Get("marker"); marker != "" {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(marker, azureMarkerPrefix))
		if err != nil || !strings.HasPrefix(marker, azureMarkerPrefix) {
			return azureErr(http.StatusBadRequest, "OutOfRangeInput", "One of the request inputs is out of range.")
		}
		from, inclusive = string(raw), false
	}
	objects, more := rq.page(prefix, from, inclusive, limit)

	include := strings.Split(rq.query.Get("include"), ",")
	metadata, tags := slices.Contains(include, "metadata"), slices.Contains(include, "tags")
	b := azureXML{Builder: &strings.Builder{}}
	b.WriteString(xml.Header + `<EnumerationResults ServiceEndpoint="`)
	b.text("http://" + rq.r.Host + "/" + rq.opts.Account + "/")
	b.WriteString(`" ContainerName="`)
	b.text(rq.container)
	b.WriteString(`">`)
	for _, name := range []string{"prefix", "marker", "startFrom", "maxresults"} {
		if v := rq.query.Get(name); v != "" {
			b.element(map[string]string{"prefix": "Prefix", "marker": "Marker", "startFrom": "StartFrom", "maxresults": "MaxResults"}[name], v)
		}
	}
	b.WriteString("<Blobs>")
	for _, o := range objects {
		b.blob(o, metadata, tags)
	}
	b.WriteString("</Blobs>")
	next := ""
	if more {
		next = azureMarkerPrefix + base64.RawURLEncoding.EncodeToString([]byte(objects[len(objects)-1].Name))
	}
	b.WriteString("<NextMarker>" + next + "</NextMarker></EnumerationResults>")
	rq.w.Header().Set("Content-Type", "application/xml")
	rq.reply(http.StatusOK)
	_, _ = io.WriteString(rq.w, b.String())
	return nil
}

// page returns the blobs of one page, in the order of the account.
func (rq *azureRequest) page(prefix, from string, inclusive bool, limit int) ([]*Object, bool) {
	order := rq.opts.Order
	if order == nil {
		return rq.bucket.List(prefix, from, inclusive, limit)
	}
	all, _ := rq.bucket.List(prefix, "", true, math.MaxInt)
	slices.SortFunc(all, func(a, b *Object) int { return order(a.Name, b.Name) })
	if from != "" {
		all = all[sort.Search(len(all), func(i int) bool {
			c := order(all[i].Name, from)
			return c > 0 || c == 0 && inclusive
		}):]
	}
	return all[:min(limit, len(all))], len(all) > limit
}

// azureXML writes a listing by hand: encoding/xml would be most of its cost.
type azureXML struct{ *strings.Builder }

func (b azureXML) text(s string) {
	if strings.ContainsAny(s, "<>&\"'\r\n\t") || !azureXMLValid(s) {
		_ = xml.EscapeText(b, []byte(s))
		return
	}
	b.WriteString(s)
}

func (b azureXML) element(name, value string) {
	b.WriteString("<" + name + ">")
	b.text(value)
	b.WriteString("</" + name + ">")
}

// azureXMLValid reports whether s has only characters that XML 1.0 can hold.
func azureXMLValid(s string) bool {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// blob writes one entry. A name that XML cannot hold is percent-encoded and
// marked so ("List Blobs", since version 2021-02-12).
func (b azureXML) blob(o *Object, metadata, tags bool) {
	b.WriteString("<Blob>")
	if azureXMLValid(o.Name) {
		b.element("Name", o.Name)
	} else {
		b.WriteString(`<Name Encoded="true">` + strings.ReplaceAll(url.QueryEscape(o.Name), "+", "%20") + "</Name>")
	}
	b.WriteString("<Properties>")
	b.element("Creation-Time", azureTime(o.Created))
	b.element("Last-Modified", azureTime(o.Updated))
	b.element("Etag", azureETag(o))
	b.element("Content-Length", strconv.Itoa(len(o.Body)))
	b.element("Content-Type", o.ContentType)
	b.element("Content-Encoding", o.ContentEncoding)
	b.element("Content-Language", o.ContentLanguage)
	b.element("Content-MD5", base64.StdEncoding.EncodeToString(o.MD5))
	b.element("Cache-Control", o.CacheControl)
	b.element("Content-Disposition", o.ContentDisposition)
	b.WriteString("<BlobType>BlockBlob</BlobType>")
	b.element("AccessTier", azureTier(o))
	if o.StorageClass == "" {
		b.WriteString("<AccessTierInferred>true</AccessTierInferred>")
	}
	b.WriteString("<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>")
	if metadata {
		b.WriteString("<Metadata>")
		for name, v := range o.Metadata {
			b.element(name, v)
		}
		b.WriteString("</Metadata>")
	}
	if set := azureTags(o); tags && set != nil {
		b.WriteString("<Tags><TagSet>")
		for _, t := range set {
			b.WriteString("<Tag>")
			b.element("Key", t.Key)
			b.element("Value", t.Value)
			b.WriteString("</Tag>")
		}
		b.WriteString("</TagSet></Tags>")
	}
	b.WriteString("</Blob>")
}
