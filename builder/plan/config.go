package plan

import (
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// Config is an image's runtime configuration with docker's additions to the
// image specification: Healthcheck, OnBuild and Shell.
type Config = dockerspec.DockerOCIImageConfig
