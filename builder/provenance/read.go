package provenance

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
	"cove/reference"
)

// Recipe is what a predicate says of how to make its image again.
type Recipe struct {
	// Context is a repository or URL, "" a directory of whoever built. Dockerfile is a
	// path in it, Text what was in it, if the predicate has that.
	Context, Dockerfile string
	Text                []byte
	Target, Network     string
	BuildArgs, Labels   map[string]string
	// Contexts are those that have names and are no directories, Local the names of those
	// that are.
	Contexts map[string]string
	Local    []string
	// Stranger says that it is not this machine's own history that says so.
	Stranger bool
	// Epoch is that of the build; nil is none.
	Epoch *time.Time
	// Hidden are the build arguments whose values the predicate masks. Complete says that
	// it leaves out no argument and no label.
	Hidden   []string
	Complete bool
	// Lock has what the image was made of.
	Lock *lockfile.Lock
}

// hiddenValue is what stands in a predicate for the value of a secret.
const hiddenValue = "***"

// Read reads the predicate of a type. One that is no provenance of a Dockerfile, or not
// what it says it is, is errdefs.ErrInvalid.
func Read(kind string, text []byte) (Recipe, error) {
	p, err := decode(kind, text)
	if err != nil {
		return Recipe{}, errdefs.Errorf(errdefs.ErrInvalid, "provenance: %w", err)
	}
	asked := p.BuildDefinition.External
	if f := asked.Request.Frontend; f != "" && !strings.HasPrefix(f, "dockerfile") && f != "gateway.v0" {
		return Recipe{}, errdefs.Errorf(errdefs.ErrUnsupported,
			"provenance: the frontend %s built it, and no Dockerfile", f)
	}
	r := Recipe{
		Context: asked.ConfigSource.URI, Dockerfile: asked.ConfigSource.Path,
		Complete:  p.RunDetails.Metadata.Completeness.Request,
		BuildArgs: map[string]string{}, Labels: map[string]string{}, Contexts: map[string]string{},
		Lock: &lockfile.Lock{},
	}
	for key, value := range asked.Request.Args {
		r.take(key, value)
	}
	for _, l := range asked.Request.Locals {
		if l.Name != "context" && l.Name != "dockerfile" {
			r.Local = append(r.Local, l.Name)
		}
	}
	if run := p.RunDetails.Metadata; r.Epoch == nil && !run.StartedOn.IsZero() && run.StartedOn.Equal(run.FinishedOn) {
		r.Epoch = &run.StartedOn // a build with an epoch took no time at all
	}
	if src := p.RunDetails.Metadata.BuildKit.Source; src != nil && len(src.Infos) > 0 {
		r.Text = src.Infos[0].Data
	}
	for _, m := range p.BuildDefinition.ResolvedDependencies {
		r.pin(m)
	}
	return r, nil
}

// decode reads a predicate of either shape as the newer one.
func decode(kind string, text []byte) (p predicateV1, err error) {
	switch kind {
	case TypeV1:
		return p, json.Unmarshal(text, &p)
	case TypeV02:
		var old predicateV02
		if err := json.Unmarshal(text, &old); err != nil {
			return p, err
		}
		return old.toV1(), nil
	}
	return p, errdefs.Errorf(errdefs.ErrUnsupported, "the type %s is not known", kind)
}

// toV1 says the same in the newer shape.
func (p predicateV02) toV1() predicateV1 {
	from, m := p.Invocation.ConfigSource, p.Metadata
	return predicateV1{
		BuildDefinition: buildDefinition{
			ResolvedDependencies: p.Materials,
			External: external{
				ConfigSource: configSource{URI: from.URI, Digest: from.Digest, Path: from.EntryPoint},
				Request:      p.Invocation.Parameters,
			},
		},
		RunDetails: runDetails{Metadata: metadata{
			StartedOn: m.StartedOn, FinishedOn: m.FinishedOn, BuildKit: m.BuildKit,
			Completeness: completeness{Request: m.Completeness.Parameters, Dependencies: m.Completeness.Materials},
		}},
	}
}

// take reads one argument of the build, by BuildKit's names; others have no meaning for
// what is made.
func (r *Recipe) take(key, value string) {
	what, name, _ := strings.Cut(key, ":")
	switch what {
	case "build-arg":
		if value == hiddenValue {
			r.Hidden = append(r.Hidden, name)
			return
		}
		if name == "SOURCE_DATE_EPOCH" {
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				at := time.Unix(seconds, 0).UTC()
				r.Epoch = &at
			}
		}
		r.BuildArgs[name] = value
	case "label":
		r.Labels[name] = value
	case "context":
		if strings.Contains(value, "://") || plan.IsGit(value) {
			r.Contexts[name] = value
		}
	case "target":
		r.Target = value
	case "force-network-mode":
		r.Network = value
	}
}

// pin puts one material into the lock. What cannot be pinned is left to what it is now.
func (r *Recipe) pin(m resource) {
	sum := digest.NewDigestFromEncoded(digest.SHA256, m.Digest["sha256"])
	if strings.HasPrefix(m.URI, "pkg:") {
		if name, platform, ok := imageOf(m.URI); ok && sum.Validate() == nil {
			r.Lock.Add(lockfile.Entry{Kind: lockfile.Image, Name: name, Platform: platform, Digest: sum})
		}
		return
	}
	if repo, err := plan.ParseGit(m.URI); err == nil {
		if commit := m.Digest["sha1"] + m.Digest["sha256"]; plan.IsCommit(commit) {
			r.Lock.Add(lockfile.OfGit(repo, commit))
		}
		return
	}
	if sum.Validate() == nil {
		r.Lock.Add(lockfile.OfURL(m.URI, sum))
	}
}

// imageOf reads a package URL of an image, as PackageURL writes it.
func imageOf(text string) (name, platform string, ok bool) {
	rest, ok := strings.CutPrefix(text, "pkg:docker/")
	if !ok {
		return "", "", false
	}
	rest, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil || values.Get("digest") != "" {
		return "", "", false // it is named by its digest, and cannot move
	}
	rest, tag, _ := strings.Cut(rest, "@")
	if rest, err = url.PathUnescape(rest); err != nil {
		return "", "", false
	}
	if tag, err = url.PathUnescape(tag); err != nil {
		return "", "", false
	}
	ref, err := reference.Parse(rest + ":" + tag)
	if err != nil {
		return "", "", false
	}
	p, err := platforms.Parse(values.Get("platform"))
	if err != nil {
		p = platforms.Host()
	}
	return ref.String(), platforms.Format(p), true
}
