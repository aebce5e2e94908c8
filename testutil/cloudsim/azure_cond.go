package cloudsim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// azureETag is the entity tag of o, without quotes. It is made of what changes
// with each change of the bytes, the metadata or the properties, and so never
// recurs for a name.
func azureETag(o *Object) string {
	return fmt.Sprintf("0x8D%013X%X", o.Generation, o.Metageneration)
}

// azureConds are the conditional headers of a request ("Specifying conditional
// headers for Blob service operations").
type azureConds struct {
	match, noneMatch                     string
	modifiedSince, unmodifiedSince       time.Time
	hasModifiedSince, hasUnmodifiedSince bool
}

func azureConditions(h http.Header) (c azureConds, err error) {
	c.match, c.noneMatch = h.Get("If-Match"), h.Get("If-None-Match")
	for _, t := range []struct {
		name string
		at   *time.Time
		has  *bool
	}{{"If-Modified-Since", &c.modifiedSince, &c.hasModifiedSince}, {"If-Unmodified-Since", &c.unmodifiedSince, &c.hasUnmodifiedSince}} {
		if v := h.Get(t.name); v != "" {
			if *t.at, err = http.ParseTime(v); err != nil {
				return c, azureBadHeader(t.name)
			}
			*t.has = true
		}
	}
	return c, nil
}

// write judges a Put Blob or Put Block List, which may create.
func (c *azureConds) write(cur *Object) error {
	if cur == nil {
		if c.match != "" {
			return azureConditionNotMet()
		}
		return nil
	}
	if c.noneMatch == "*" {
		return azureErr(http.StatusConflict, "BlobAlreadyExists", "The specified blob already exists.")
	}
	return c.change(cur)
}

// change judges an operation on what must exist.
func (c *azureConds) change(cur *Object) error {
	switch {
	case cur == nil:
		return azureBlobNotFound()
	case c.failsMatch(cur), c.noneMatch != "" && azureTagListed(c.noneMatch, cur),
		c.hasModifiedSince && !azureSecond(cur.Updated).After(c.modifiedSince):
		return azureConditionNotMet()
	}
	return nil
}

// read judges a Get Blob or Get Blob Properties.
func (c *azureConds) read(cur *Object) error {
	switch {
	case cur == nil:
		return azureBlobNotFound()
	case c.failsMatch(cur):
		return azureConditionNotMet()
	case c.noneMatch != "" && azureTagListed(c.noneMatch, cur),
		c.noneMatch == "" && c.hasModifiedSince && !azureSecond(cur.Updated).After(c.modifiedSince):
		return azureErr(http.StatusNotModified, "ConditionNotMet", "")
	}
	return nil
}

func (c *azureConds) failsMatch(cur *Object) bool {
	return c.match != "" && !azureTagListed(c.match, cur) ||
		c.hasUnmodifiedSince && azureSecond(cur.Updated).After(c.unmodifiedSince)
}

// azureTagListed reports whether list, one or more tags with or without quotes
// or a star, holds the tag of o.
func azureTagListed(list string, o *Object) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.Trim(tag, `"`) == azureETag(o) {
			return true
		}
	}
	return false
}

// azureSecond is t as a Last-Modified header tells it.
func azureSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
