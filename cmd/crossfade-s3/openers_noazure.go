//go:build noazure

package main

import (
	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store/token/aws"
)

func addAzure(config.Openers, config.Identity, *aws.Source) {}
