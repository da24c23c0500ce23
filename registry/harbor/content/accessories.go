package content

import (
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/browse"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
)

// Harbor's words for kinds of accessories, by which its clients tell what is signed.
const (
	cosignSignature   = "signature.cosign"
	notationSignature = "signature.notation"
	otherAccessory    = "subject.accessory"
)

// accessoryKinds are the beginnings of artifact types that Harbor has a word for.
var accessoryKinds = []struct{ artifactType, harbor string }{
	{"application/vnd.dev.cosign.artifact.sig.", cosignSignature},
	{"application/vnd.dev.sigstore.bundle.", cosignSignature},
	{"application/vnd.cncf.notary.signature", notationSignature},
}

func accessoryKind(artifactType string) string {
	for _, k := range accessoryKinds {
		if strings.HasPrefix(artifactType, k.artifactType) {
			return k.harbor
		}
	}
	return otherAccessory
}

// signatureTag is the tag by which cosign ties signatures to what has no subject field.
func signatureTag(of digest.Digest) string {
	return of.Algorithm().String() + "-" + of.Encoded() + ".sig"
}

// accessoriesOf are what refers to an artifact, by its subject or by a tag of cosign's form.
func (o operations) accessoriesOf(
	asked *edge.Ask, a *browse.Artifact, repository int64,
) (all []shape.Accessory, err error) {
	subject := a.Manifest.Digest
	add := func(dgst digest.Digest, kind string, size int64) {
		id := listing.Artifact{Digest: dgst}.ID(repository)
		all = append(all, shape.Accessory{
			ID: id, ArtifactID: id, Digest: dgst.String(), Type: kind, Size: size,
			SubjectID:     listing.Artifact{Digest: subject}.ID(repository),
			SubjectDigest: subject.String(), SubjectRepo: asked.Repository,
		})
	}
	for _, r := range a.Referrers {
		add(r.Digest, accessoryKind(r.ArtifactType), r.Size)
	}
	desc, err := o.Registry.StatTag(asked.Context(), asked.Repository, signatureTag(subject))
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return all, nil
	case err == nil:
		add(desc.Digest, cosignSignature, desc.Size)
	}
	return all, err
}

func (o operations) accessories(asked *edge.Ask) (any, error) {
	a, err := o.named(asked)
	if err != nil {
		return nil, err
	}
	p, err := o.place(asked)
	if err != nil {
		return nil, err
	}
	all, err := o.accessoriesOf(asked, a, p.repository)
	if err != nil {
		return nil, err
	}
	return append([]shape.Accessory{}, edge.Part(asked, all)...), nil
}
