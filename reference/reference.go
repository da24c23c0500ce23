// Package reference parses image names as people type them.
//
// The rules are docker's: "redis" is docker.io/library/redis:latest, a first
// component with a dot, a colon or the name localhost is a registry host, and
// the tag is latest only when neither tag nor digest was given. The grammar of
// repositories and tags is the Distribution specification's.
package reference

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
)

const (
	// DefaultRegistry is where a name without a host lives.
	DefaultRegistry = "docker.io"
	// DefaultTag is the tag of a name with neither tag nor digest.
	DefaultTag = "latest"

	officialPrefix = "library/"
	legacyRegistry = "index.docker.io"
)

// Reference names an image in a registry. A parsed one has every field but the
// digest or the tag; two references are equal when they are == .
type Reference struct {
	Registry   string // host[:port], as "docker.io" or "harbor.example.com:85"
	Repository string // "library/redis", "team/app/web"
	Tag        string // "" when only a digest was given
	Digest     digest.Digest
}

// Parse reads a name as people type it. Errors are errdefs.ErrInvalid.
func Parse(s string) (Reference, error) {
	var ref Reference
	rest := s
	if name, dgst, ok := strings.Cut(s, "@"); ok {
		d, err := ParseDigest(dgst)
		if err != nil {
			return Reference{}, errdefs.Errorf(errdefs.ErrInvalid, "invalid reference format: %q: %w", s, err)
		}
		ref.Digest, rest = d, name
	}
	// A colon after the last slash starts the tag; before it, a port.
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		ref.Tag, rest = rest[i+1:], rest[:i]
		if !ValidTag(ref.Tag) {
			return Reference{}, errdefs.Errorf(errdefs.ErrInvalid,
				"invalid reference format: %q: tag %q: want up to 128 letters, digits, \".\", \"_\" and \"-\", "+
					"starting with a letter, digit or \"_\"", s, ref.Tag)
		}
	}
	if isHex64(rest) {
		return Reference{}, errdefs.Errorf(errdefs.ErrInvalid,
			"invalid reference format: %q: 64 hexadecimal digits are an image id, not a name; name the digest as "+
				"NAME@sha256:%s", s, rest)
	}
	ref.Registry, ref.Repository = splitRegistry(rest)
	if ref.Tag == "" && ref.Digest == "" {
		ref.Tag = DefaultTag
	}
	if err := ref.check(); err != nil {
		return Reference{}, errdefs.Errorf(errdefs.ErrInvalid, "invalid reference format: %q: %w", s, err)
	}
	return ref, nil
}

// HasTag reports whether a name that Parse takes says its tag; else it is latest.
func HasTag(name string) bool {
	ref, err := Parse(name)
	return err == nil && ref.Tag != "" && strings.HasSuffix(strings.SplitN(name, "@", 2)[0], ":"+ref.Tag)
}

// splitRegistry divides a name without tag and digest by docker's rule for what
// a host is. An upper-case first component counts as one too, since no
// repository may have upper case.
func splitRegistry(name string) (registry, repo string) {
	first, rest, ok := strings.Cut(name, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost" || first != strings.ToLower(first)) {
		registry, repo = first, rest
	} else {
		registry, repo = DefaultRegistry, name
	}
	if registry == legacyRegistry {
		registry = DefaultRegistry
	}
	if registry == DefaultRegistry && !strings.Contains(repo, "/") {
		repo = officialPrefix + repo
	}
	return registry, repo
}

func (r Reference) check() error {
	if !validHost(r.Registry) {
		return errdefs.Errorf(errdefs.ErrInvalid, "registry %q: want a host name or address with an optional :port",
			r.Registry)
	}
	if ValidRepository(r.Repository) && len(r.Registry)+1+len(r.Repository) <= maxName {
		return nil
	}
	switch lower := strings.ToLower(r.Repository); {
	case strings.TrimPrefix(r.Repository, officialPrefix) == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "the repository is missing")
	case len(r.Registry)+1+len(r.Repository) > maxName:
		return errdefs.Errorf(errdefs.ErrInvalid, "longer than %d characters", maxName)
	case lower != r.Repository && ValidRepository(lower):
		return errdefs.Errorf(errdefs.ErrInvalid, "a repository is lower case: did you mean %s?",
			strings.TrimPrefix(lower, officialPrefix))
	}
	return errdefs.Errorf(errdefs.ErrInvalid,
		"repository %q: want components of lower-case letters and digits, parted by \".\", \"_\", \"__\" or \"-\", and joined by \"/\"", strings.TrimPrefix(r.Repository, officialPrefix))
}

// String is the canonical form: docker.io/library/redis:latest. Parse gives it
// back unchanged.
func (r Reference) String() string { return r.Name() + r.suffix() }

// Name is the canonical form without tag and digest.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

// Familiar is the short form that docker prints: redis:latest.
func (r Reference) Familiar() string { return r.FamiliarName() + r.suffix() }

// FamiliarName is Familiar without tag and digest.
func (r Reference) FamiliarName() string {
	if r.Registry != DefaultRegistry {
		return r.Name()
	}
	short, ok := strings.CutPrefix(r.Repository, officialPrefix)
	// "library/a/b" must keep its prefix, or it would parse as a/b.
	if ok && !strings.Contains(short, "/") {
		return short
	}
	return r.Repository
}

func (r Reference) suffix() string {
	var s string
	if r.Tag != "" {
		s = ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// WithTag is the same repository with that tag and no digest.
func (r Reference) WithTag(tag string) Reference {
	r.Tag, r.Digest = tag, ""
	return r
}

// WithDigest is the same repository at that digest and no tag.
func (r Reference) WithDigest(dgst digest.Digest) Reference {
	r.Tag, r.Digest = "", dgst
	return r
}

// Object is what a registry is asked for: the digest, or else the tag.
func (r Reference) Object() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}

// Hint explains the commonest surprise, for a push or pull that failed: a name
// that begins with a bare host, such as "harbor/app", goes to docker.io. known
// finds the registry, with a port or a dot, that a bare host is known to be
// ("harbor:5000"), and "" where none is; nil knows none. Hint is "" when the
// name holds no such trap: "you/app" is what names at docker.io look like.
func (r Reference) Hint(known func(host string) string) string {
	first, rest, ok := strings.Cut(r.Repository, "/")
	if r.Registry != DefaultRegistry || !ok || first+"/" == officialPrefix {
		return ""
	}
	const rule = "a registry's name has a dot or a port, or is localhost"
	if known != nil {
		if host := known(first); host != "" {
			meant := r
			meant.Registry, meant.Repository = host, rest
			return "`" + r.Familiar() + "` goes to docker.io: did you mean " + meant.Familiar() + "? " +
				strings.ToUpper(rule[:1]) + rule[1:]
		}
	}
	if strings.Contains(rest, "/") {
		return "`" + r.Familiar() + "` goes to docker.io, whose names have two parts: " + rule
	}
	return ""
}

// IsNameOnly reports whether s is a valid name that says neither tag nor
// digest, so that Parse supplied the tag.
func IsNameOnly(s string) bool {
	if strings.Contains(s, "@") || strings.LastIndexByte(s, ':') > strings.LastIndexByte(s, '/') {
		return false
	}
	_, err := Parse(s)
	return err == nil
}
