// Package fetch brings what the bench needs of the outside network.
package fetch

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The peers that Debian does not have, as Go programs.
const (
	DistributionVersion = "v3.1.2"
	distributionServer  = "github.com/distribution/distribution/v3/cmd/registry"
	BuildKitVersion     = "v0.23.2"
	buildkitDaemon      = "github.com/moby/buildkit/cmd/buildkitd"
	buildkitClient      = "github.com/moby/buildkit/cmd/buildctl"
)

// All brings the base image, distribution and BuildKit into a directory.
func All(ctx context.Context, cache string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	base := filepath.Join(cache, "base.tar")
	if !exists(base) {
		if out, err := exec.CommandContext(ctx, "fixtures/debian/make-base.sh", base).CombinedOutput(); err != nil {
			return fmt.Errorf("making the base image: %w\n%s", err, out)
		}
	}
	// Without one of these its cells say so, and the rest is measured.
	for _, err := range []error{
		nothing(ctx, cache),
		install(ctx, cache, "registry", DistributionVersion, distributionServer),
		BuildKit(ctx, cache),
	} {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	return nil
}

// nothing compiles the program that does nothing, as those of cove are compiled.
func nothing(ctx context.Context, cache string) error {
	out := filepath.Join(cache, "nothing")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./bench/nothing")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling bench/nothing: %w\n%s", err, out)
	}
	return nil
}

// BuildKit brings buildkitd and buildctl into a directory.
func BuildKit(ctx context.Context, cache string) error {
	return install(ctx, cache, "buildkitd", BuildKitVersion, buildkitDaemon, buildkitClient)
}

// install compiles Go programs of one version, of which one is called name. It
// does so in a module of its own: some of them cannot be installed by version.
func install(ctx context.Context, cache, name, version string, packages ...string) error {
	if exists(filepath.Join(cache, name)) {
		return nil
	}
	dir, err := os.MkdirTemp(cache, "module-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	get := []string{"get"}
	for _, p := range packages {
		get = append(get, p+"@"+version)
	}
	for _, args := range [][]string{{"mod", "init", "peer"}, get, append([]string{"install"}, packages...)} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOBIN="+cache, "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
