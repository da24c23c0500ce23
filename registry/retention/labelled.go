package retention

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/selector"
)

// Labelled chooses artifacts by the labels that people have put on them. The zero value
// chooses all.
type Labelled struct {
	// Labels are globs, each of which one of the labels of an artifact matches.
	Labels []string `json:"labels,omitempty"`
	// ExceptLabels turns it round: no label of an artifact matches any of them.
	ExceptLabels bool `json:"exceptLabels,omitempty"`
}

const (
	mostLabels   = 20
	longestLabel = 256
)

// chosen refuses what chooses nothing.
func (l Labelled) chosen() error {
	if len(l.Labels) > mostLabels {
		return errdefs.Errorf(errdefs.ErrInvalid, "%d labels: a rule has %d at most", len(l.Labels), mostLabels)
	}
	for _, glob := range l.Labels {
		if glob == "" || len(glob) > longestLabel || !selector.Valid(glob) {
			return errdefs.Errorf(errdefs.ErrInvalid, "%q is no label and no glob of labels", glob)
		}
	}
	if l.ExceptLabels && len(l.Labels) == 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "all labels but none: name those that are left out")
	}
	return nil
}

// chooses says whether an artifact with these labels is one of them.
func (l Labelled) chooses(has []string) bool {
	for _, glob := range l.Labels {
		found := slices.ContainsFunc(has, func(name string) bool {
			return name == glob || selector.Match(glob, name)
		})
		if found == l.ExceptLabels {
			return false
		}
	}
	return true
}

// String is the choice as people read it; "" for all.
func (l Labelled) String() string {
	if len(l.Labels) == 0 {
		return ""
	}
	if l.ExceptLabels {
		return ", labels except " + strings.Join(l.Labels, ", ")
	}
	return ", labels " + strings.Join(l.Labels, ", ")
}

// equal says whether two rules say the same.
func (r Rule) equal(o Rule) bool {
	return slices.Equal(r.Labels, o.Labels) && r.ExceptLabels == o.ExceptLabels && r.Selector == o.Selector &&
		r.Untagged == o.Untagged && r.Template == o.Template && r.N == o.N
}

// labelled tells the artifacts of a repository which labels they have, if a rule asks.
func (d decision) labelled(ctx context.Context, q db.Querier, repo int64, all []*artifact) error {
	if !slices.ContainsFunc(d.rules, func(r Rule) bool { return len(r.Labels) > 0 && r.Repository(d.short) }) {
		return nil
	}
	by := make(map[digest.Digest]*artifact, len(all))
	for _, a := range all {
		by[a.digest] = a
	}
	_, err := db.All(ctx, q, func(s db.Scanner) (_ struct{}, err error) {
		var of digest.Digest
		var name string
		if err = s.Scan(&of, &name); err == nil && by[of] != nil {
			by[of].labels = append(by[of].labels, name)
		}
		return struct{}{}, err
	}, `SELECT a.digest, l.name FROM artifact_labels a JOIN labels l ON l.id = a.label_id
		WHERE a.repository_id = $1 AND l.removed_at = 0`, repo)
	return err
}
