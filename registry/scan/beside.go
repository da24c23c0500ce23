package scan

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
	"cove/registry/robots"
)

// Beside is a registry whose manifests scanners of others have from served, and all others
// from pulled, which has guards and keeps books: to be scanned is not to be pulled, and an
// image that is kept back until it was scanned could not be scanned else. A scanner has
// the image alone that it was asked to scan.
func (s *Scans) Beside(served, pulled distribution.Registry) distribution.Registry {
	return beside{pulled, served, s}
}

type beside struct {
	distribution.Registry
	served distribution.Registry
	scans  *Scans
}

func (b beside) StatManifest(ctx context.Context, repo string, dgst digest.Digest) (ocispec.Descriptor, error) {
	if yes, err := b.scans.scanning(ctx, repo, dgst); err != nil {
		return ocispec.Descriptor{}, err
	} else if yes {
		return b.served.StatManifest(ctx, repo, dgst)
	}
	return b.Registry.StatManifest(ctx, repo, dgst)
}

func (b beside) GetManifest(ctx context.Context, repo string, dgst digest.Digest) (distribution.Manifest, error) {
	if yes, err := b.scans.scanning(ctx, repo, dgst); err != nil {
		return distribution.Manifest{}, err
	} else if yes {
		return b.served.GetManifest(ctx, repo, dgst)
	}
	return b.Registry.GetManifest(ctx, repo, dgst)
}

// scanning says whether the caller is a scanner that was asked to scan this image. Whoever
// is called like one costs a question.
func (s *Scans) scanning(ctx context.Context, repo string, dgst digest.Digest) (bool, error) {
	by := auth.CallerOf(ctx)
	if by.Kind != people.KindRobot {
		return false, nil
	}
	if _, name := robots.ParseName(by.Name); !strings.HasPrefix(name, passPrefix) {
		return false, nil
	}
	some, err := db.All(ctx, s.cfg.DB.Querier(), db.ScanString,
		"SELECT digest FROM scan_passes WHERE user_id = $1 AND repository = $2 AND digest = $3",
		by.UserID, metadata.CanonicalName(repo), dgst.String())
	return len(some) > 0, err
}
