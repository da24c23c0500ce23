package webhook

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/audit"
	"cove/registry/metadata"
	"cove/registry/store/change"
	"cove/registry/webhook/payload"
)

// Stored is a change.Teller: it emits what is pushed and deleted.
func Stored(ctx context.Context, tx *metadata.Tx, c change.Change) error {
	e := Event{
		Type: payload.PushArtifact, Repository: c.Repository, Operator: c.Actor,
		Resources: resources(c.Digest, c.Tags...),
	}
	if c.Deleted {
		e.Type = payload.DeleteArtifact
	}
	return Emit(ctx, tx, e)
}

// Pulled emits pulls, which an audit.Recorder writes together. Projects to which
// nobody listens cost one query.
func Pulled(ctx context.Context, tx *metadata.Tx, pulls []audit.Pull) error {
	heard := map[string]bool{}
	for _, p := range pulls {
		project := metadata.ProjectOf(p.Repository)
		listening, asked := heard[project]
		if !asked {
			hooks, err := listeners(ctx, tx.Querier(), project, payload.PullArtifact)
			if err != nil {
				return err
			}
			listening = len(hooks) > 0
			heard[project] = listening
		}
		if !listening {
			continue
		}
		var tags []string
		if p.Tag != "" {
			tags = []string{p.Tag}
		}
		err := Emit(ctx, tx, Event{
			Type: payload.PullArtifact, Repository: p.Repository, Operator: p.Actor, At: p.At,
			Resources: resources(p.Digest, tags...),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resources are an artifact by each of its tags, or by its digest.
func resources(dgst digest.Digest, tags ...string) []payload.Resource {
	if len(tags) == 0 {
		return []payload.Resource{{Digest: dgst.String()}}
	}
	all := make([]payload.Resource, len(tags))
	for i, tag := range tags {
		all[i] = payload.Resource{Digest: dgst.String(), Tag: tag}
	}
	return all
}
