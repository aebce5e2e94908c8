// Command crossfade-s3 is the function for AWS Lambda that follows an S3
// bucket. Build it for linux as "bootstrap" and run it on provided.al2023; it
// is configured by CROSSFADE_SOURCE, CROSSFADE_TARGET and their like. With
// CROSSFADE_MIGRATION it minds the phase of a declared migration, of which
// CROSSFADE_DIRECTION=reverse makes it the way back: CROSSFADE_SOURCE is the
// store whose events it gets in either case.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/crossfade-io/crossfade/config"
	pullsqs "github.com/crossfade-io/crossfade/functions/pull/sqs"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/functions/service"
)

const program = "crossfade-s3"

var version = "dev" // set by the linker

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.LookupEnv, os.Environ(), os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, lookup func(string) (string, bool), environ []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(stdout, program, version)
		return 0
	}
	api, ok := lookup(runtimeAPI)
	if !ok {
		return service.Exit(stderr, program, &service.ConfigError{Err: errors.New(runtimeAPI + " is not set: this program runs on AWS Lambda, as the bootstrap of a function")})
	}
	id, err := config.IdentityFromEnv(lookup, config.AWS)
	if err != nil {
		err = &service.ConfigError{Err: err}
		initFailed(ctx, api, err)
		return service.Exit(stderr, program, err)
	}
	svc, err := service.Start(ctx, service.Setup{
		Program: program,
		Version: version,
		Scheme:  "s3",
		Openers: openers(id),
		Lookup:  lookup,
		Environ: environ,
		Out:     stdout,
		Now:     time.Now,
		Frozen:  true, // between invocations
	})
	if err != nil {
		initFailed(ctx, api, err)
		return service.Exit(stderr, program, err)
	}
	queue, err := batches(ctx, svc)
	if err != nil {
		initFailed(ctx, api, err)
		return service.Exit(stderr, program, err)
	}
	lambda.StartWithOptions(fs3.New(svc.Processor, queue), lambda.WithContext(ctx))
	return 1 // it returns only when the runtime is gone
}

// batches answers for messages of SQS, with the function's own role.
func batches(ctx context.Context, svc *service.Service) (fs3.Queue, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return pullsqs.NewBatches(awssqs.NewFromConfig(cfg), pullsqs.Options{DeadLetter: svc.Config.DeadLetter, Log: svc.Log}), nil
}
