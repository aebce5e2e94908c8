//go:build !nogcs

package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/token/aws"
)

func addGCS(o config.Openers, id config.Identity, us *aws.Source) {
	o["gs"] = gcs.Opener(gcs.Identity{Audience: id.GCPAudience, ServiceAccount: id.GCPServiceAccount, Keys: us})
}
