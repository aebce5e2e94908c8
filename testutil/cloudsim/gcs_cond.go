package cloudsim

import (
	"net/http"
	"net/url"
	"strconv"
)

// gcsConds are the preconditions of a request; nil where not given.
type gcsConds struct {
	gen, genNot, meta, metaNot *int64
}

// gcsQueryConds reads those of the JSON API: prefix is "if" or "ifSource".
func gcsQueryConds(q url.Values, prefix string) (c gcsConds, err error) {
	for name, p := range map[string]**int64{
		"GenerationMatch": &c.gen, "GenerationNotMatch": &c.genNot,
		"MetagenerationMatch": &c.meta, "MetagenerationNotMatch": &c.metaNot,
	} {
		if *p, err = gcsInt(q.Get(prefix + name)); err != nil {
			return gcsConds{}, gcsInvalid("Invalid value for %s%s.", prefix, name)
		}
	}
	return c, nil
}

// gcsHeaderConds reads those of the XML API.
func gcsHeaderConds(h http.Header) (c gcsConds, err error) {
	for name, p := range map[string]**int64{
		"X-Goog-If-Generation-Match": &c.gen, "X-Goog-If-Metageneration-Match": &c.meta,
	} {
		if *p, err = gcsInt(h.Get(name)); err != nil {
			return gcsConds{}, gcsInvalid("Invalid value for the header %s.", name)
		}
	}
	return c, nil
}

func gcsInt(s string) (*int64, error) {
	if s == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// check evaluates the conditions against the object that is there, or nil.
// A generation of 0 stands for none.
func (c gcsConds) check(cur *Object) error {
	var gen, meta int64
	if cur != nil {
		gen, meta = cur.Generation, cur.Metageneration
	}
	switch {
	case c.gen != nil && *c.gen != gen:
		return gcsUnmet(false)
	case c.meta != nil && *c.meta != meta:
		return gcsUnmet(false)
	case c.genNot != nil && *c.genNot == gen:
		return gcsUnmet(true)
	case c.metaNot != nil && cur != nil && *c.metaNot == meta:
		return gcsUnmet(true)
	}
	return nil
}

// existing is check for operations that need the object to be there.
func (c gcsConds) existing(bucket, object string) func(*Object) error {
	return func(cur *Object) error {
		if cur == nil {
			return gcsNoObject(bucket, object)
		}
		return c.check(cur)
	}
}

// gcsPick returns the current object, or the generation that was asked for.
func gcsPick(b *Bucket, object, generation string) (*Object, error) {
	gen, err := gcsInt(generation)
	if err != nil {
		return nil, gcsInvalid("Invalid value for generation.")
	}
	o := b.Get(object)
	if gen != nil {
		o = b.GetGeneration(object, *gen)
	}
	if o == nil || o.DeleteMarker {
		return nil, gcsNoObject(b.Name, object)
	}
	return o, nil
}
