package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/store/token/aws"
)

// openers are the drivers in this build: all of them, but for gs with the build
// tag nogcs and az with noazure. A package for one pair of clouds is smaller,
// and starts sooner. The other clouds are entered with the function's own role.
func openers(id config.Identity) config.Openers {
	o, us := config.Openers{"s3": s3.Open}, aws.New()
	addGCS(o, id, us)
	addAzure(o, id, us)
	return o
}
