package cloudsim

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const gcsPage = 1000

type gcsListing struct {
	Kind          string         `json:"kind"`
	NextPageToken string         `json:"nextPageToken,omitempty"`
	Prefixes      []string       `json:"prefixes,omitempty"`
	Items         []*gcsResource `json:"items,omitempty"`
}

// gcsQuery is a parsed objects.list.
type gcsQuery struct {
	prefix, delimiter, end string
	from                   string // the least name to look at
	limit                  int
	trailing               bool                 // includeTrailingDelimiter
	clear                  []func(*gcsResource) // of the fields that are not wanted
}

// listObjects is objects.list: ascending byte order, startOffset inclusive,
// endOffset exclusive.
func (g *gcsFace) listObjects(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	q, err := parseGCSQuery(c)
	if err != nil {
		return err
	}
	var names []string
	var objects map[string][]*Object
	if c.query.Get("versions") == "true" {
		names, objects = b.gcsVersions(q.prefix)
	}
	out := gcsListing{Kind: "storage#objects"}
	base := gcsBase(r)
	n := 0
	emit := func(o *Object) {
		res := newGCSResource(base, b.Name, o)
		for _, unwanted := range q.clear {
			unwanted(res)
		}
		out.Items = append(out.Items, res)
	}
	next := q.from
	for {
		if objects != nil {
			i, _ := slices.BinarySearch(names, next)
			names = names[i:]
		}
		page, more := q.page(b, next, names, objects)
		for _, name := range page {
			if q.end != "" && name >= q.end {
				writeGCSJSON(w, http.StatusOK, out)
				return nil
			}
			if name < next {
				continue // below a prefix that was returned already
			}
			if n >= q.limit {
				out.NextPageToken = base64.URLEncoding.EncodeToString([]byte(next))
				writeGCSJSON(w, http.StatusOK, out)
				return nil
			}
			if p, ok := q.folded(name); ok {
				out.Prefixes = append(out.Prefixes, p)
				n++
				next = gcsAfterPrefix(p)
				if !q.trailing || name != p {
					continue
				}
			} else {
				n++
				next = name + "\x00"
			}
			if objects == nil {
				if o := b.Get(name); o != nil {
					emit(o)
				}
				continue
			}
			for _, o := range objects[name] {
				emit(o)
			}
		}
		if !more {
			writeGCSJSON(w, http.StatusOK, out)
			return nil
		}
	}
}

func parseGCSQuery(c *gcsCall) (gcsQuery, error) {
	for _, name := range []string{"matchGlob", "filter"} {
		if c.query.Get(name) != "" {
			return gcsQuery{}, gcsUnsupported(name)
		}
	}
	for _, name := range []string{"softDeleted", "includeFoldersAsPrefixes"} {
		if c.query.Get(name) == "true" {
			return gcsQuery{}, gcsUnsupported(name)
		}
	}
	q := gcsQuery{
		prefix: c.query.Get("prefix"), delimiter: c.query.Get("delimiter"),
		from: c.query.Get("startOffset"), end: c.query.Get("endOffset"), limit: gcsPage,
		trailing: c.query.Get("includeTrailingDelimiter") == "true",
		clear:    gcsUnwanted(c.query.Get("fields")),
	}
	if s := c.query.Get("maxResults"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return q, gcsInvalid("Invalid value for maxResults.")
		}
		if n > 0 {
			q.limit = min(n, gcsPage)
		}
	}
	if s := c.query.Get("pageToken"); s != "" {
		from, err := base64.URLEncoding.DecodeString(s)
		if err != nil {
			return q, gcsInvalid("Invalid pageToken.")
		}
		q.from = max(q.from, string(from))
	}
	return q, nil
}

// page returns the next names from from, at least one more than a page needs
// where there are so many.
func (q *gcsQuery) page(b *Bucket, from string, names []string, versions map[string][]*Object) ([]string, bool) {
	if versions != nil {
		return names, false
	}
	objects, more := b.List(q.prefix, from, true, q.limit+1)
	page := make([]string, len(objects))
	for i, o := range objects {
		page[i] = o.Name
	}
	return page, more
}

// folded returns the prefix under which name is hidden.
func (q *gcsQuery) folded(name string) (string, bool) {
	if q.delimiter == "" {
		return "", false
	}
	i := strings.Index(name[len(q.prefix):], q.delimiter)
	if i < 0 {
		return "", false
	}
	return name[:len(q.prefix)+i+len(q.delimiter)], true
}

// gcsAfterPrefix is the least string that is greater than all that begin with
// p. Names are UTF-8, so no byte is 0xff.
func gcsAfterPrefix(p string) string {
	return p[:len(p)-1] + string([]byte{p[len(p)-1] + 1})
}

// gcsUnwanted reads what a fields parameter selects of the items, as in
// "nextPageToken,items(name,size)", and returns what takes away the rest.
func gcsUnwanted(fields string) []func(*gcsResource) {
	_, rest, ok := strings.Cut(fields, "items(")
	if !ok {
		return nil
	}
	selection, _, _ := strings.Cut(rest, ")")
	clears := gcsFieldClears()
	for name := range strings.SplitSeq(selection, ",") {
		delete(clears, strings.TrimSpace(name))
	}
	return slices.Collect(maps.Values(clears))
}

// gcsVersions returns all generations below prefix, by name and then by age.
func (b *Bucket) gcsVersions(prefix string) (names []string, objects map[string][]*Object) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	objects = map[string][]*Object{}
	for name, history := range b.history {
		for _, o := range history {
			if strings.HasPrefix(name, prefix) && !o.DeleteMarker {
				objects[name] = append(objects[name], o)
			}
		}
	}
	for name, o := range b.current {
		if strings.HasPrefix(name, prefix) {
			objects[name] = append(objects[name], o)
		}
	}
	for name := range objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, objects
}
