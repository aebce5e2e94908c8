package cloudsim

import "net/http"

func (f *s3Face) deleteObject(q *s3Request) error {
	versionID := q.query.Get("versionId")
	match := q.Header.Get("If-Match")
	if versionID != "" && match != "" {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "If-Match with versionId is not implemented")
	}
	cond, err := f.s3DeleteCondition(q)
	if err != nil {
		return err
	}
	d, err := f.remove(q, q.key, versionID, cond)
	if err != nil {
		return err
	}
	if f.opts.Interop && d.absent {
		return s3NoSuchKey(q.key)
	}
	h := q.w.Header()
	if d.marker {
		h.Set("x-amz-delete-marker", "true")
	}
	if d.versionID != "" {
		h.Set("x-amz-version-id", d.versionID)
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// s3Removal is what a deletion did.
type s3Removal struct {
	absent    bool
	marker    bool   // a delete marker was made, or removed
	versionID string // of the marker, or of the version that was removed
}

// remove deletes the current object, or one version of it. An absent key is no
// error, as on S3.
func (f *s3Face) remove(q *s3Request, key, versionID string, cond func(*Object) error) (d s3Removal, err error) {
	by := q.origin()
	if versionID == "" || versionID == "null" && !q.bucket.Versioned {
		removed, marker, err := q.bucket.Delete(key, by, q.bucket.Versioned, cond)
		if err != nil {
			return d, err
		}
		d.absent = removed == nil
		if marker != nil {
			d.marker, d.versionID = true, marker.VersionID()
		}
		return d, nil
	}
	generation, err := s3VersionGeneration(versionID)
	if err != nil {
		return d, err
	}
	by.Operation = s3DeleteVersion
	removed := q.bucket.DeleteGeneration(key, generation, by)
	d.versionID = versionID
	d.absent = removed == nil
	d.marker = removed != nil && removed.DeleteMarker
	return d, nil
}

// s3DeleteVersion tells, in a Change, the removal of a version for good from
// the making of a delete marker.
const s3DeleteVersion = "DeleteObjectVersion"

type s3DeleteRequest struct {
	Quiet   bool
	Objects []struct {
		Key       string
		VersionID string `xml:"VersionId"`
		ETag      string
	} `xml:"Object"`
}

func (f *s3Face) deleteObjects(q *s3Request) error {
	p, err := f.readPayload(q, "", s3MaxXML)
	if err != nil {
		return err
	}
	if !p.sent && q.Header.Get("Content-Md5") == "" && !f.opts.Interop {
		return s3Invalid("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	var req s3DeleteRequest
	if err := s3Decode(p.data, &req); err != nil {
		return err
	}
	if len(req.Objects) == 0 || len(req.Objects) > s3MaxKeys {
		return s3MalformedXML()
	}
	var x s3XML
	x.open("DeleteResult")
	for _, o := range req.Objects {
		var cond func(*Object) error
		if o.ETag != "" {
			cond = s3MustMatch(o.Key, o.ETag)
		}
		action := "s3:DeleteObject"
		if o.VersionID != "" {
			action = "s3:DeleteObjectVersion"
		}
		var d s3Removal
		err := f.mayAct(q, action, o.Key)
		if err == nil {
			d, err = f.remove(q, o.Key, o.VersionID, cond)
		}
		if e, ok := err.(*s3Error); ok { //nolint:errorlint // remove returns it bare
			x.begin("Error")
			x.element("Key", o.Key)
			if o.VersionID != "" {
				x.element("VersionId", o.VersionID)
			}
			x.element("Code", e.code)
			x.element("Message", e.message)
			x.close("Error")
			continue
		}
		if req.Quiet {
			continue
		}
		x.begin("Deleted")
		x.element("Key", o.Key)
		if o.VersionID != "" {
			x.element("VersionId", o.VersionID)
		}
		if d.marker {
			x.element("DeleteMarker", "true")
			x.element("DeleteMarkerVersionId", d.versionID)
		}
		x.close("Deleted")
	}
	x.close("DeleteResult")
	return x.send(q, http.StatusOK)
}
