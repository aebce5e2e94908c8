package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/store/token/google"
)

// openers are the drivers. The other clouds are entered with the identity of the
// function's own service account.
func openers(id config.Identity) config.Openers {
	us := google.New()
	return config.Openers{
		"s3": s3.Opener(s3.Identity{Role: id.AWSRole, Tokens: us, Audience: id.Audience}),
		"gs": gcs.Open,
		"az": azblob.Opener(azblob.Identity{Tokens: us, Audience: id.Audience}),
	}
}
