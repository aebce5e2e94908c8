package cloudsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

const gcsMaxSources = 32

type gcsComposeSource struct {
	Name          string      `json:"name"`
	Generation    json.Number `json:"generation"`
	Preconditions struct {
		IfGenerationMatch json.Number `json:"ifGenerationMatch"`
	} `json:"objectPreconditions"`
}

// compose joins up to 32 objects of one bucket ("Objects: compose").
func (g *gcsFace) compose(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	var in struct {
		Destination   gcsInput           `json:"destination"`
		SourceObjects []gcsComposeSource `json:"sourceObjects"`
		DeleteSources bool               `json:"deleteSourceObjects"`
	}
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return gcsParseError()
	}
	if n := len(in.SourceObjects); n == 0 || n > gcsMaxSources {
		return gcsInvalid("The number of source components provided (%d) must be between 1 and %d.", n, gcsMaxSources)
	}
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	if in.Destination.Name == "" {
		in.Destination.Name = c.object
	}
	if in.Destination.Name != c.object {
		return gcsInvalid("The destination's name does not agree with the path.")
	}
	if err := in.Destination.named(c); err != nil {
		return err
	}
	sources, err := gcsSources(b, in.SourceObjects)
	if err != nil {
		return err
	}
	var joined []byte
	count := 0
	for _, s := range sources {
		joined = append(joined, s.Body...)
		n, _ := strconv.Atoi(s.Extra[gcsComponents])
		count += max(n, 1)
	}
	if err := in.Destination.verify(joined); err != nil {
		return err
	}
	o := in.Destination.object(joined)
	o.MD5 = nil // composed objects have none
	o.Extra = map[string]string{gcsComponents: strconv.Itoa(count)}
	if o, err = b.Put(o, g.origin(r, c.op), conds.check, nil); err != nil {
		return err
	}
	if in.DeleteSources {
		g.deleteSources(r, b, o, sources)
	}
	writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, o))
	return nil
}

func gcsSources(b *Bucket, in []gcsComposeSource) ([]*Object, error) {
	sources := make([]*Object, 0, len(in))
	for _, s := range in {
		o, err := gcsPick(b, s.Name, s.Generation.String())
		if err != nil {
			return nil, err
		}
		match, err := gcsInt(s.Preconditions.IfGenerationMatch.String())
		if err != nil {
			return nil, gcsInvalid("Invalid value for ifGenerationMatch.")
		}
		if err := (gcsConds{gen: match}).check(o); err != nil {
			return nil, err
		}
		sources = append(sources, o)
	}
	return sources, nil
}

// deleteSources removes those that still are what was joined.
func (g *gcsFace) deleteSources(r *http.Request, b *Bucket, joined *Object, sources []*Object) {
	for _, s := range sources {
		if s.Name == joined.Name {
			continue
		}
		same := gcsConds{gen: &s.Generation}
		_, _, _ = b.Delete(s.Name, g.origin(r, "objects.delete"), false, same.existing(b.Name, s.Name))
	}
}

// rewrite copies an object, always in one call ("Objects: rewrite").
func (g *gcsFace) rewrite(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	from, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	to, err := g.bucketOf(c.dest.bucket)
	if err != nil {
		return err
	}
	if err := gcsCheckName(c.dest.object); err != nil {
		return err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	sourceConds, err := gcsQueryConds(c.query, "ifSource")
	if err != nil {
		return err
	}
	src, err := gcsPick(from, c.object, c.query.Get("sourceGeneration"))
	if err != nil {
		return err
	}
	if err := sourceConds.check(src); err != nil {
		return err
	}
	o := src.clone()
	o.Name = c.dest.object
	if text := bytes.TrimSpace(body); len(text) > 0 && !bytes.Equal(text, []byte("{}")) {
		in, err := parseGCSInput(body) // attributes that are given replace all of them
		if err != nil {
			return err
		}
		if err := gcsCheckMetadata(in.Metadata); err != nil {
			return err
		}
		in.attrs(o)
	}
	if o, err = to.Put(o, g.origin(r, c.op), conds.check, nil); err != nil {
		return err
	}
	size := strconv.Itoa(len(o.Body))
	writeGCSJSON(w, http.StatusOK, struct {
		Kind      string       `json:"kind"`
		Rewritten string       `json:"totalBytesRewritten"`
		Size      string       `json:"objectSize"`
		Done      bool         `json:"done"`
		Resource  *gcsResource `json:"resource"`
	}{"storage#rewriteResponse", size, size, true, newGCSResource(gcsBase(r), c.dest.bucket, o)})
	return nil
}
