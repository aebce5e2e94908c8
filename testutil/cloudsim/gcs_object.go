package cloudsim

import (
	"bytes"
	"encoding/json"
	"net/http"
)

func (g *gcsFace) getObject(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	o, err := g.readable(c, conds)
	if err != nil {
		return err
	}
	writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, o))
	return nil
}

// patchObject changes the fields that are named, by the rules of a JSON merge
// patch: null removes, and entries of metadata that are not named stay.
func (g *gcsFace) patchObject(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	var patch map[string]json.RawMessage
	if err := json.Unmarshal(body, &patch); err != nil {
		return gcsParseError()
	}
	return g.change(w, r, c, func(o *Object) error { return applyGCSPatch(o, patch) })
}

// updateObject replaces all that can be changed.
func (g *gcsFace) updateObject(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	in, err := parseGCSInput(body)
	if err != nil {
		return err
	}
	return g.change(w, r, c, func(o *Object) error {
		class := o.StorageClass // only a rewrite changes it
		in.attrs(o)
		o.StorageClass = class
		return nil
	})
}

func applyGCSPatch(o *Object, patch map[string]json.RawMessage) error {
	for name, field := range map[string]*string{
		"contentType": &o.ContentType, "cacheControl": &o.CacheControl,
		"contentEncoding": &o.ContentEncoding, "contentDisposition": &o.ContentDisposition,
		"contentLanguage": &o.ContentLanguage,
	} {
		raw, ok := patch[name]
		if !ok {
			continue
		}
		*field = ""
		if err := json.Unmarshal(raw, field); err != nil { // null leaves it empty
			return gcsParseError()
		}
	}
	raw, ok := patch["metadata"]
	if !ok {
		return nil
	}
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		o.Metadata = nil
		return nil
	}
	var entries map[string]*string
	if err := json.Unmarshal(raw, &entries); err != nil {
		return gcsParseError()
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	for k, v := range entries {
		if v == nil {
			delete(o.Metadata, k)
		} else {
			o.Metadata[k] = *v
		}
	}
	return nil
}

// change applies edit to the current object on the conditions of the request.
func (g *gcsFace) change(w http.ResponseWriter, r *http.Request, c *gcsCall, edit func(*Object) error) error {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	gen, err := gcsInt(c.query.Get("generation"))
	if err != nil {
		return gcsInvalid("Invalid value for generation.")
	}
	if gen != nil {
		if cur := b.Get(c.object); cur != nil && cur.Generation != *gen && b.GetGeneration(c.object, *gen) != nil {
			return gcsUnsupported("changes of noncurrent generations")
		}
	}
	var next *Object
	o, err := b.Update(c.object, g.origin(r, c.op), func(cur *Object) error {
		if cur == nil || gen != nil && cur.Generation != *gen {
			return gcsNoObject(c.bucket, c.object)
		}
		if err := conds.check(cur); err != nil {
			return err
		}
		next = cur.clone()
		if err := edit(next); err != nil {
			return err
		}
		return gcsCheckMetadata(next.Metadata)
	}, func(o *Object) { gcsCopyAttrs(o, next) })
	if err != nil {
		return err
	}
	writeGCSJSON(w, http.StatusOK, newGCSResource(gcsBase(r), c.bucket, o))
	return nil
}

// gcsDeleteGeneration is the operation that removes a generation for good.
const gcsDeleteGeneration = "objects.delete generation"

// deleteObject removes the live object, which becomes noncurrent in a
// versioned bucket, or for good the generation that the request names.
func (g *gcsFace) deleteObject(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	conds, err := gcsQueryConds(c.query, "if")
	if err != nil {
		return err
	}
	gen, err := gcsInt(c.query.Get("generation"))
	if err != nil {
		return gcsInvalid("Invalid value for generation.")
	}
	cond := conds.existing(c.bucket, c.object)
	if gen != nil {
		err = b.gcsRemove(c.object, *gen, g.origin(r, gcsDeleteGeneration), cond)
	} else {
		_, _, err = b.Delete(c.object, g.origin(r, c.op), false, cond)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// gcsRemove removes one generation for good. Unlike on S3 no other one becomes
// current in its place.
func (b *Bucket) gcsRemove(name string, generation int64, by Origin, cond func(*Object) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found *Object
	at := -1
	if cur := b.current[name]; cur != nil && cur.Generation == generation {
		found = cur
	}
	for i, o := range b.history[name] {
		if o.Generation == generation && !o.DeleteMarker {
			found, at = o, i
		}
	}
	if err := cond(found); err != nil {
		return err
	}
	if at < 0 {
		delete(b.current, name)
		b.keys.remove(name)
	} else {
		h := b.history[name]
		b.history[name] = append(h[:at:at], h[at+1:]...)
	}
	b.emit(Change{Kind: Deleted, Object: found, Time: b.now()}, by)
	return nil
}
