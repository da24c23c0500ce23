package metadata

import (
	"context"
	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/db"
)

// ReferrersQuery asks for a page of the manifests whose subject is Subject, of one
// artifact type unless that is "": those after the digest Last, at most N, and at
// most about Bytes of JSON, but at least one.
type ReferrersQuery struct {
	Subject            digest.Digest
	ArtifactType, Last string
	N, Bytes           int
}

// referrerBytes is what a descriptor takes as JSON besides its texts.
const referrerBytes = 200

// Referrers lists a page of a subject's referrers in a repository, by digest; more
// says that it was cut. It reads no further than the page.
func (q Queries) Referrers(
	ctx context.Context, repo string, ask ReferrersQuery,
) (page []ocispec.Descriptor, more bool, err error) {
	const columns = `SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations FROM repositories r
		JOIN manifests m ON m.repository_id = r.id AND m.subject = $2 AND m.subject <> '' AND m.digest > $3`
	stmt, args := columns+` WHERE r.name = $1 ORDER BY m.digest`, []any{repo, ask.Subject.String(), ask.Last}
	if ask.ArtifactType != "" {
		stmt, args = columns+` AND m.artifact_type = $4 WHERE r.name = $1 ORDER BY m.digest`, append(args,
			ask.ArtifactType)
	}
	left := ask.Bytes
	err = db.Each(ctx, q.q, func(s db.Scanner) (goOn bool, err error) {
		var dgst, annotations string
		var desc ocispec.Descriptor
		if err := s.Scan(&dgst, &desc.MediaType, &desc.Size, &desc.ArtifactType, &annotations); err != nil {
			return false, err
		}
		left -= referrerBytes + len(desc.MediaType) + len(desc.ArtifactType) + len(annotations)
		if len(page) == ask.N || len(page) > 0 && left < 0 {
			more = true
			return false, nil
		}
		desc.Digest = digest.Digest(dgst)
		if annotations != "" && len(annotations) < ask.Bytes { // one that fills a page alone is shown without
			err = json.Unmarshal([]byte(annotations), &desc.Annotations)
		}
		page = append(page, desc)
		return true, err
	}, stmt, args...)
	return page, more, err
}
