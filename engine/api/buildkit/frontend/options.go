// Package frontend reads what a client of BuildKit asks for: the options of the
// Dockerfile frontend, exporters and caches, as options of a build. What it does not
// know it refuses by name.
package frontend

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"

	"cove/engine/builds"
	"cove/engine/runspec/parse"
	"cove/errdefs"
)

// Request is a build as a client describes it.
type Request struct {
	// Options are those of the build, without its contexts and outputs.
	Options builds.Options
	// Context is where the context is, if it is no directory of the client: a URL, and
	// Subdir a directory below it.
	Context, Subdir string
	// ContextDir and DockerfileDir are the client's names of its directories, File the
	// path of the Dockerfile in the second.
	ContextDir, DockerfileDir, File string
	// LocalFile says that the Dockerfile is there whatever the context is.
	LocalFile bool
	// Named are further contexts, as the client writes them.
	Named map[string]string
	// SharedKeys are hints by the names of directories: what is sent under one is like what was
	// sent under it before.
	SharedKeys map[string]string
	// Call is a question about the Dockerfile, in place of a build.
	Call      string
	Exporters []*control.Exporter
}

// dockerfile is the frontend that there is. Others are images that a client names.
const dockerfile = "dockerfile.v0"

// NewRequest reads a frontend's options. What it does not know it refuses by name: an
// option that is overlooked makes another image than the one that was asked for.
func NewRequest(
	frontend string, options map[string]string, imports []*gateway.CacheOptionsEntry,
) (*Request, error) {
	r := &Request{
		ContextDir: "context", DockerfileDir: "dockerfile", File: "Dockerfile", Named: map[string]string{},
		SharedKeys: map[string]string{},
	}
	r.Options.BuildArgs, r.Options.Labels = map[string]string{}, map[string]string{}
	switch {
	case frontend == dockerfile:
	case frontend == "gateway.v0" && isDockerfile(options["source"]):
	default:
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"frontend %q %s: only Dockerfiles are built here, and no other frontend runs", frontend, options["source"])
	}
	for key, value := range options {
		if err := r.set(key, value); err != nil {
			return nil, errdefs.Errorf(errdefs.KindOf(err), "option %s=%s: %w", key, value, err)
		}
	}
	for _, c := range imports {
		if err := r.importCache(c.Type, c.Attrs); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// isDockerfile says that an image is a frontend for Dockerfiles, whose place this
// builder takes.
func isDockerfile(image string) bool {
	name, _, _ := strings.Cut(image, "@")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "docker/")
	name, _, _ = strings.Cut(name, ":")
	return name == "dockerfile" || name == "dockerfile-upstream"
}

// prefixed are the options whose keys hold a name.
var prefixed = []struct {
	prefix string
	set    func(r *Request, name, value string) error
}{
	{"build-arg:", func(r *Request, name, value string) error { r.Options.BuildArgs[name] = value; return nil }},
	{"label:", func(r *Request, name, value string) error { r.Options.Labels[name] = value; return nil }},
	{"context:", func(r *Request, name, value string) error { r.Named[name] = value; return nil }},
	{"attest:", attestation},
	{"input-metadata:", func(*Request, string, string) error { return RefuseLLB("an input") }},
	{"sharedkey:localdir:", func(r *Request, name, value string) error { r.SharedKeys[name] = value; return nil }},
	// Hints that change no image: what provenance would say of the sources.
	{"local-sessionid:", ignore},
	{"vcs:", ignore},
}

func ignore(*Request, string, string) error { return nil }

// attestation reads which document is to be stored with the image, unless a client turns
// it off.
func attestation(r *Request, name, value string) error {
	options := map[string]string{}
	for _, field := range strings.Split(value, ",") {
		if key, v, ok := strings.Cut(field, "="); ok {
			options[key] = v
		}
	}
	if off, _ := strconv.ParseBool(options["disabled"]); off {
		return nil
	}
	delete(options, "disabled")
	delete(options, "type")
	switch name {
	case "sbom":
		r.Options.Attest.SBOM = true
		return builds.CheckSBOM(options)
	case "provenance":
	default:
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"attestations (%s) are not made: build with --%s=false", name, name)
	}
	p, err := builds.ParseProvenance(options)
	r.Options.Attest.Provenance = &p
	return err
}

// known are the options with a key of their own.
var known = map[string]func(r *Request, value string) error{
	"target":   func(r *Request, v string) error { r.Options.Target = v; return nil },
	"filename": func(r *Request, v string) error { r.File = v; return nil },
	"context": func(r *Request, v string) error {
		r.Context = v
		return NoDirectory(v)
	},
	"contextsubdir": func(r *Request, v string) error { r.Subdir = v; return nil },
	"contextkey":    func(r *Request, v string) error { r.ContextDir = v; return nil },
	"dockerfilekey": func(r *Request, v string) error { r.DockerfileDir, r.LocalFile = v, true; return nil },
	"requestid":     func(r *Request, v string) error { r.Call = v; return nil },
	"cgroup-parent": func(r *Request, v string) error { r.Options.CgroupParent = v; return nil },
	"no-cache": func(r *Request, v string) error {
		if r.Options.NoCache = v == ""; v != "" {
			r.Options.NoCacheFilter = strings.Split(v, ",")
		}
		return nil
	},
	"platform": func(r *Request, v string) (err error) {
		r.Options.Platforms, err = builds.ParsePlatforms(strings.Split(v, ","))
		return err
	},
	"multi-platform": func(_ *Request, v string) error {
		if v == "true" {
			return errdefs.Errorf(errdefs.ErrUnsupported, "an index is made of several platforms, not of one")
		}
		return nil
	},
	"image-resolve-mode": func(r *Request, v string) error { r.Options.Pull = v == "pull"; return nil },
	"force-network-mode": func(r *Request, v string) error { r.Options.Network = v; return nil },
	"add-hosts":          addHosts,
	"shm-size":           func(r *Request, v string) error { return number(v, 1, &r.Options.Resources.ShmSize) },
	"ulimit":             ulimits,
	"memory":             func(r *Request, v string) error { return number(v, 1, &r.Options.Resources.Memory) },
	"memswap":            func(r *Request, v string) error { return number(v, -1, &r.Options.Resources.MemorySwap) },
	"cpuperiod":          func(r *Request, v string) error { return number(v, 1, &r.Options.Resources.CPUPeriod) },
	"cpuquota":           func(r *Request, v string) error { return number(v, -1, &r.Options.Resources.CPUQuota) },
	"cpushares": func(r *Request, v string) (err error) {
		r.Options.Resources.CPUShares, err = strconv.ParseUint(v, 10, 64)
		return err
	},
	"cpusetcpus":    func(r *Request, v string) error { r.Options.Resources.Cpuset = v; return nil },
	"cpusetmems":    func(r *Request, v string) error { r.Options.Resources.Memset = v; return nil },
	"cache-from":    cacheFrom,
	"cache-imports": cacheImports,
	// What names the frontend, which NewRequest has looked at, and what it can answer.
	"source": func(*Request, string) error { return nil }, "cmdline": func(*Request, string) error { return nil },
	"frontend.caps": func(*Request, string) error { return nil },
}

func (r *Request) set(key, value string) error {
	if set, ok := known[key]; ok {
		return set(r, value)
	}
	for _, p := range prefixed {
		if name, ok := strings.CutPrefix(key, p.prefix); ok {
			return p.set(r, name, value)
		}
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "this option is not supported")
}

// number reads a whole number that is not below least.
func number(text string, least int64, into *int64) (err error) {
	*into, err = strconv.ParseInt(text, 10, 64)
	if err != nil || *into < least {
		return errdefs.Errorf(errdefs.ErrInvalid, "want a number of %d or more", least)
	}
	return nil
}

// fields reads a line of values with commas between them, some in quotes.
func fields(text string) ([]string, error) {
	all, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	return all, nil
}

func addHosts(r *Request, text string) error {
	all, err := fields(text)
	for _, one := range all {
		h, err := parse.Host(one)
		if err != nil {
			return err
		}
		r.Options.Hosts = append(r.Options.Hosts, builds.Host{Name: h.Name, IP: h.IP})
	}
	return err
}

func ulimits(r *Request, text string) error {
	all, err := fields(text)
	for _, one := range all {
		u, err := parse.Ulimit(one)
		if err != nil {
			return err
		}
		r.Options.Resources.Ulimits = append(r.Options.Resources.Ulimits, u)
	}
	return err
}

// Complete adds what stands in the request of the build, beside the frontend's options.
func (r *Request) Complete(req *control.SolveRequest) error {
	r.Options.Allow = req.Entitlements
	r.Exporters = req.Exporters
	if len(r.Exporters) == 0 && req.ExporterDeprecated != "" {
		r.Exporters = []*control.Exporter{{Type: req.ExporterDeprecated, Attrs: req.ExporterAttrsDeprecated}}
	}
	for _, c := range req.Cache.GetImports() {
		if err := r.importCache(c.Type, c.Attrs); err != nil {
			return err
		}
	}
	for _, c := range req.Cache.GetExports() {
		if err := r.exportCache(c.Type, c.Attrs); err != nil {
			return err
		}
	}
	return nil
}

// RefuseLLB refuses what no Dockerfile is.
func RefuseLLB(what string) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "%s is given as LLB, and only Dockerfiles are built here: "+
		"give the context as a directory, an image, a git repository or a URL, and no # syntax= of another frontend", what)
}
