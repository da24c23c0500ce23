package signing

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/manifest"
	"cove/distribution/signature"
	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

const (
	// maxParents is how many indexes that hold an image are asked for.
	maxParents = 100
	// maxNested is how deep indexes are nested.
	maxNested = 3
)

// judgedKey is what an outcome follows from; nothing of it ever changes its meaning.
type judgedKey struct {
	holder, subject digest.Digest
	keys            string // their IDs
}

// outcome is what the signatures of one manifest come to.
type outcome struct {
	good    []signature.Verified
	reasons []signature.Failure
}

// lasting says whether it is so at any time: what is not there may come.
func (o outcome) lasting() bool {
	return !slices.ContainsFunc(o.reasons, func(f signature.Failure) bool {
		return f.Reason == signature.Expired || f.Reason == signature.Missing
	})
}

func idsOf(keys []signature.Key) string {
	var ids strings.Builder
	for _, k := range keys {
		ids.WriteString(k.ID)
	}
	return ids.String()
}

// outcomeOf verifies the signatures of one manifest of an artifact.
func (s *Signing) outcomeOf(
	ctx context.Context, src signature.Source, holder ocispec.Descriptor, of digest.Digest, keys []signature.Key,
) (outcome, error) {
	key := judgedKey{holder.Digest, of, idsOf(keys)}
	if o, ok := s.judged.get(key); ok {
		return o, nil
	}
	all, err := signature.Read(ctx, src, holder)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	for _, sig := range all {
		v, err := sig.Verify(of, keys, s.cfg.Now())
		if err != nil {
			o.reasons = append(o.reasons, signature.FailureOf(err))
		} else {
			o.good = append(o.good, v)
		}
	}
	if o.lasting() {
		s.judged.put(key, o)
	}
	return o, nil
}

// signed finds a signature of exactly this artifact that counts. An error that is a
// *signature.Failure says why none does.
func (s *Signing) signed(
	ctx context.Context, src signature.Source, of digest.Digest, keys []signature.Key,
) (signature.Verified, error) {
	found, more, err := signature.Find(ctx, src, of)
	if err != nil {
		return signature.Verified{}, err
	}
	var reasons []signature.Failure
	for _, holder := range found {
		o, err := s.outcomeOf(ctx, src, holder, of, keys)
		if err != nil {
			return signature.Verified{}, err
		}
		for _, v := range o.good {
			if v.At(s.cfg.Now()) {
				return v, nil
			}
			reasons = append(reasons, v.Over())
		}
		reasons = append(reasons, o.reasons...)
	}
	return signature.Verified{}, signature.Refuse(reasons, more)
}

// Verdict is why an artifact may be pulled, or not.
type Verdict struct {
	Key     string        // the name of the one whose signature counts
	Through digest.Digest // the index whose signature it is; "" if it is the artifact's own
}

// countsFor finds a signature of the artifact, or of an index that holds it.
func (s *Signing) countsFor(
	ctx context.Context, src signature.Source, repo string, of digest.Digest, keys []signature.Key,
) (Verdict, error) {
	v, why := s.signed(ctx, src, of, keys)
	if why == nil {
		return Verdict{Key: v.Key.Name}, nil
	}
	var refused *signature.Failure
	if !errors.As(why, &refused) {
		return Verdict{}, why
	}
	level, seen := []digest.Digest{of}, map[digest.Digest]bool{of: true}
	for range maxNested {
		above, err := s.holders(ctx, repo, level, seen)
		if err != nil {
			return Verdict{}, err
		}
		for _, index := range above {
			v, err := s.signed(ctx, src, index, keys)
			if err == nil {
				return Verdict{Key: v.Key.Name, Through: index}, nil
			}
			if !errors.As(err, new(*signature.Failure)) {
				return Verdict{}, err
			}
		}
		level = above
	}
	return Verdict{}, refused
}

// holders are the indexes in the repository that hold one of these, and were not seen.
func (s *Signing) holders(
	ctx context.Context, repo string, level []digest.Digest, seen map[digest.Digest]bool,
) (above []digest.Digest, err error) {
	for _, of := range level {
		some, err := db.All(ctx, s.cfg.DB.Querier(), db.ScanString, `SELECT f.manifest FROM repositories r
			JOIN manifest_refs f ON f.repository_id = r.id AND f.digest = $2 AND f.is_manifest = 1
			WHERE r.name = $1 ORDER BY f.manifest LIMIT $3`, repo, of.String(), maxParents)
		if err != nil {
			return nil, err
		}
		for _, text := range some {
			if dgst := digest.Digest(text); !seen[dgst] && len(seen) <= maxParents {
				seen[dgst] = true
				above = append(above, dgst)
			}
		}
	}
	return above, nil
}

// MayPull refuses, with errdefs.ErrDenied and why, the pull of what no key of its
// project has signed, where the project wants that. It is a filter.Guard.
func (s *Signing) MayPull(ctx context.Context, repo string, desc ocispec.Descriptor) error {
	repo = metadata.CanonicalName(repo)
	project := metadata.ProjectOf(repo)
	required, err := s.required.Get(project,
		func() (bool, error) { return Required(ctx, s.cfg.DB.Querier(), project) },
		func(required bool) bool { return !required })
	if err != nil || !required {
		return err
	}
	p, err := PolicyOf(ctx, s.cfg.DB.Querier(), project)
	if err != nil || !p.Required {
		return err
	}
	src, done, err := s.source(ctx, repo)
	if err != nil {
		return err
	}
	_, err = s.countsFor(ctx, src, repo, desc.Digest, p.trusted())
	if refused := new(signature.Failure); errors.As(err, &refused) {
		free, unread := s.accessory(ctx, src, desc)
		if err = unread; err == nil && !free {
			err = refusal(repo, desc.Digest, project, p, refused)
		}
	}
	return errors.Join(err, done())
}

// accessory says whether a manifest is itself a signature, or says something else of
// an artifact.
func (s *Signing) accessory(ctx context.Context, src signature.Source, desc ocispec.Descriptor) (bool, error) {
	if manifest.IsIndex(desc.MediaType) {
		return false, nil
	}
	if is, ok := s.accessories.get(desc.Digest.String()); ok {
		return is, nil
	}
	body, err := src.Manifest(ctx, desc)
	if err != nil {
		return false, err
	}
	is := signature.Accessory(body)
	s.accessories.put(desc.Digest.String(), is)
	return is, nil
}

func refusal(repo string, dgst digest.Digest, project string, p Policy, why *signature.Failure) error {
	if len(p.Keys) == 0 {
		return errdefs.Errorf(errdefs.ErrDenied,
			"%s@%s is not pulled: project %q lets only signed images be pulled, and has no key whose signatures count; "+
				"ask an administrator of the project to add one", repo, dgst, project)
	}
	names := make([]string, len(p.Keys))
	for i, k := range p.Keys {
		names[i] = k.Name
	}
	const some = 5
	list := strings.Join(names[:min(some, len(names))], ", ")
	if len(names) > some {
		list += " and others"
	}
	return errdefs.Errorf(errdefs.ErrDenied,
		"%s@%s is not pulled: %s; project %q lets only what one of its keys (%s) has signed be pulled: "+
			"sign it with one of them, or have an administrator of the project trust the key that signed it",
		repo, dgst, why.Detail, project, list)
}
