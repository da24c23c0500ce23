package signing

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/signature"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// Shown is a signature as people see it.
type Shown struct {
	signature.Signature
	Key     string            // the name of the trusted one that made it; "" if it does not count
	Until   time.Time         // to when it counts; zero is without end
	Failure signature.Failure // why it does not count
}

// Report is what signs an artifact, and what that means in its project.
type Report struct {
	Repository string
	Digest     digest.Digest
	Signatures []Shown
	More       bool // there are others that were not looked at
	// Required says that the project lets only signed images be pulled, Counts that this
	// is one; Verdict says by which signature, and Failure why not.
	Required, Counts bool
	Verdict          Verdict
	Failure          signature.Failure
}

// Report tells what signs an artifact, by its tag, or by its digest when the tag is "".
func (s *Signing) Report(
	ctx context.Context, by auth.Caller, repo, tag string, dgst digest.Digest,
) (r Report, err error) {
	repo = metadata.CanonicalName(repo)
	if err := s.cfg.Judge.Permit(ctx, s.cfg.DB, by, See, repo); err != nil {
		return Report{}, err
	}
	ctx = auth.WithCaller(ctx, by)
	src, done, err := s.source(ctx, repo)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if tag != "" {
		desc, err := src.Tagged(ctx, tag)
		if err != nil {
			return Report{}, err
		}
		dgst = desc.Digest
	} else if _, err := src.Manifest(ctx, ocispec.Descriptor{Digest: dgst}); err != nil {
		return Report{}, err
	}
	p, err := PolicyOf(ctx, s.cfg.DB.Querier(), metadata.ProjectOf(repo))
	if err != nil {
		return Report{}, err
	}
	r = Report{Repository: repo, Digest: dgst, Required: p.Required}
	if err := s.list(ctx, src, &r, p.trusted()); err != nil {
		return Report{}, err
	}
	return r, s.sum(ctx, src, &r, p.trusted())
}

// list adds the signatures.
func (s *Signing) list(ctx context.Context, src signature.Source, r *Report, keys []signature.Key) error {
	found, more, err := signature.Find(ctx, src, r.Digest)
	r.More = more
	if err != nil {
		return err
	}
	for _, holder := range found {
		all, err := signature.Read(ctx, src, holder)
		if err != nil {
			return err
		}
		for _, sig := range all {
			shown := Shown{Signature: sig}
			v, err := sig.Verify(r.Digest, keys, s.cfg.Now())
			if err != nil {
				shown.Failure = signature.FailureOf(err)
			} else {
				shown.Key, shown.Until = v.Key.Name, v.Until
			}
			r.Signatures = append(r.Signatures, shown)
		}
	}
	return nil
}

// sum says whether one of them counts.
func (s *Signing) sum(ctx context.Context, src signature.Source, r *Report, keys []signature.Key) error {
	var err error
	r.Verdict, err = s.countsFor(ctx, src, r.Repository, r.Digest, keys)
	r.Counts = err == nil
	var why *signature.Failure
	if errors.As(err, &why) {
		r.Failure, err = *why, nil
	}
	return err
}

// source is a repository as it is served, or as it is stored.
func (s *Signing) source(ctx context.Context, repo string) (signature.Source, func() error, error) {
	if s.cfg.Registry != nil {
		return signature.In(s.cfg.Registry, repo), func() error { return nil }, nil
	}
	if s.cfg.Bytes == nil {
		return nil, nil, errdefs.Errorf(errdefs.ErrUnsupported, "signatures are read where the registry's storage is")
	}
	bytes, done, err := s.cfg.Bytes(ctx)
	return stored{s.cfg.DB, bytes, repo}, done, err
}

// stored is a repository beside a server: its rows, and the bytes.
type stored struct {
	db    *metadata.DB
	bytes content.Provider
	repo  string
}

func (s stored) Tagged(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	return s.db.ManifestByTag(ctx, s.repo, tag)
}

func (s stored) Referrers(ctx context.Context, of digest.Digest) ([]ocispec.Descriptor, error) {
	const room = 4 << 20
	all, _, err := s.db.Referrers(ctx, s.repo, metadata.ReferrersQuery{
		Subject: of, N: signature.MaxManifests, Bytes: room,
	})
	return all, err
}

func (s stored) Manifest(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) {
	desc, err := s.db.ManifestByDigest(ctx, s.repo, desc.Digest)
	if err != nil {
		return nil, err
	}
	return content.ReadBlob(ctx, s.bytes, desc)
}

func (s stored) Blob(ctx context.Context, desc ocispec.Descriptor) (_ []byte, err error) {
	rd, err := s.bytes.Open(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	return signature.ReadBlob(rd, desc)
}
