package cloudsim

import (
	"encoding/json"
	"net/http"
)

type gcsVersioning struct {
	Enabled bool `json:"enabled"`
}

type gcsBucketResource struct {
	Kind             string         `json:"kind"`
	ID               string         `json:"id"`
	SelfLink         string         `json:"selfLink"`
	Name             string         `json:"name"`
	ProjectNumber    string         `json:"projectNumber"`
	Metageneration   string         `json:"metageneration"`
	Location         string         `json:"location"`
	LocationType     string         `json:"locationType"`
	StorageClass     string         `json:"storageClass"`
	ETag             string         `json:"etag"`
	Versioning       *gcsVersioning `json:"versioning,omitempty"`
	IAMConfiguration map[string]any `json:"iamConfiguration"`
}

func writeGCSBucket(w http.ResponseWriter, r *http.Request, b *Bucket) {
	res := gcsBucketResource{
		Kind: "storage#bucket", ID: b.Name, Name: b.Name,
		SelfLink:      gcsBase(r) + "/storage/v1/b/" + b.Name,
		ProjectNumber: "123456789012", Metageneration: "1",
		Location: "US-CENTRAL1", LocationType: "region", StorageClass: "STANDARD", ETag: "CAE=",
		IAMConfiguration: map[string]any{"uniformBucketLevelAccess": map[string]any{"enabled": true}},
	}
	if b.Versioned {
		res.Versioning = &gcsVersioning{Enabled: true}
	}
	writeGCSJSON(w, http.StatusOK, res)
}

func (g *gcsFace) getBucket(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	b, err := g.bucketOf(c.bucket)
	if err != nil {
		return err
	}
	writeGCSBucket(w, r, b)
	return nil
}

func (g *gcsFace) insertBucket(w http.ResponseWriter, r *http.Request, c *gcsCall) error {
	var in struct {
		Name       string         `json:"name"`
		Versioning *gcsVersioning `json:"versioning"`
	}
	body, err := gcsReadAll(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return gcsParseError()
	}
	c.bucket = in.Name
	if err := gcsCheckBucket(in.Name); err != nil {
		return err
	}
	if g.core.Bucket(in.Name) != nil {
		return gcsFail(http.StatusConflict, "conflict", "BucketAlreadyOwnedByYou",
			"Your previous request to create the named bucket succeeded and you already own it.")
	}
	writeGCSBucket(w, r, g.core.CreateBucket(in.Name, in.Versioning != nil && in.Versioning.Enabled))
	return nil
}
