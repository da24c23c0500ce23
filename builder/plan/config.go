package plan

import (
	"maps"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// Config is an image's runtime configuration with docker's additions to the
// image specification: Healthcheck, OnBuild and Shell.
type Config = dockerspec.DockerOCIImageConfig

// CloneConfig is a config whose labels, volumes and ports are its own.
func CloneConfig(c Config) Config {
	c.Labels, c.Volumes = maps.Clone(c.Labels), maps.Clone(c.Volumes)
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	return c
}
