package work

import (
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/reference"
	"cove/registry/api/rest"
	"cove/registry/history"
	"cove/registry/metadata"
)

// TagChange is one line of a tag's history.
type TagChange struct {
	ID       string    `json:"id"`
	Tag      string    `json:"tag"`
	Digest   string    `json:"digest"`   // "" when it was deleted
	Previous string    `json:"previous"` // "" when it was new
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// TagChangeOf is a change as the API and the command line show it.
func TagChangeOf(e history.Entry) TagChange {
	return TagChange{id(e.ID), e.Tag, e.Digest.String(), e.Previous.String(), e.Actor, e.At.UTC()}
}

// DeletedArtifact can be had back until the collector takes its bytes.
type DeletedArtifact struct {
	Digest    string    `json:"digest"`
	MediaType string    `json:"mediaType"`
	Tags      []string  `json:"tags"` // that it had
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// DeletedArtifactOf is one as the API and the command line show it.
func DeletedArtifactOf(d history.Deleted) DeletedArtifact {
	return DeletedArtifact{d.Digest.String(), d.MediaType, append([]string{}, d.Tags...), d.By, d.At.UTC()}
}

// DeletedArtifacts are those of a repository, the newest first.
type DeletedArtifacts struct {
	Items []DeletedArtifact `json:"items"`
}

// Restoration says what is to be brought back.
type Restoration struct {
	// Tag is what it named before it was deleted, or, with Digest, that.
	Tag string `json:"tag,omitempty"`
	// Digest, without a tag, is an artifact that comes back with the tags it had.
	Digest string `json:"digest,omitempty"`
	// Back has a tag that names something name what it did before.
	Back bool `json:"back,omitempty"`
}

// Restored tells what came back.
type Restored struct {
	Done string `json:"done"`
}

// Removed tells how many artifacts were deleted.
type Removed struct {
	Artifacts int `json:"artifacts"`
}

func (w *Work) history() []rest.Operation {
	return []rest.Operation{
		{
			Method: get, Path: "/history/{repository...}", Right: history.Look, Object: "repository",
			ID: "listTagHistory", Summary: "Who had which tag name what, the newest first",
			Query:  rest.PageOf(rest.Parameter{Name: "tag", About: "only of this tag", Kind: rest.KindText}),
			Answer: rest.Page[TagChange]{},
			Status: 200, Serve: w.tagHistory,
		},
		{
			Method: get, Path: "/deleted/{repository...}", Right: history.Look, Object: "repository",
			ID: "listDeleted", Summary: "Artifacts that were deleted and can be had back, the newest first",
			Answer: DeletedArtifacts{},
			Status: 200, Serve: w.deleted,
		},
		{
			Method: post, Path: "/restore/{repository...}", Right: history.Undo, Object: "repository",
			ID:      "restore",
			Summary: "Bring back a tag, an artifact, or with an empty object all that was deleted of a repository",
			Body:    Restoration{},
			Answer:  Restored{},
			Status:  200, Serve: w.restore,
		},
		{
			Method: remove, Path: "/repositories/{repository...}", Right: history.RemoveRepository,
			Object: "repository",
			ID:     "deleteRepository", Summary: "Delete all that a repository holds",
			Answer: Removed{},
			Status: 200, Serve: w.repositoryDelete,
		},
	}
}

func repository(asked *rest.Ask) (string, error) {
	repo := asked.PathValue("repository")
	if !reference.ValidRepository(repo) {
		return "", rest.Invalid("repository %q: that is no repository's name", repo)
	}
	return metadata.CanonicalName(repo), nil
}

func (w *Work) tagHistory(asked *rest.Ask) (any, error) {
	repo, err := repository(asked)
	if err != nil {
		return nil, err
	}
	q := history.Query{Repository: repo, Tag: asked.Query.Get("tag"), N: asked.Limit}
	if text := asked.Query.Get("after"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, rest.Invalid("query: after %q is no line of the history", text)
		}
	}
	page, more, err := w.p.History.Page(asked.Context(), asked.Caller, q)
	if err != nil {
		return nil, err
	}
	items := make([]TagChange, len(page))
	for i, e := range page {
		items[i] = TagChangeOf(e)
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(c TagChange) string { return c.ID })), nil
}

func (w *Work) deleted(asked *rest.Ask) (any, error) {
	repo, err := repository(asked)
	if err != nil {
		return nil, err
	}
	all, err := w.p.History.Deleted(asked.Context(), asked.Caller, repo)
	out := DeletedArtifacts{Items: make([]DeletedArtifact, len(all))}
	for i, d := range all {
		out.Items[i] = DeletedArtifactOf(d)
	}
	return out, err
}

func (w *Work) restore(asked *rest.Ask) (any, error) {
	repo, err := repository(asked)
	if err != nil {
		return nil, err
	}
	var r Restoration
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	if r.Digest != "" {
		if err := digest.Digest(r.Digest).Validate(); err != nil {
			return nil, rest.Invalid("digest %q: %w", r.Digest, err)
		}
	}
	done, err := w.p.History.Restore(asked.Context(), asked.Caller, history.Request{
		Repository: repo, Tag: r.Tag, Digest: digest.Digest(r.Digest), Back: r.Back,
	})
	return Restored{done}, err
}

func (w *Work) repositoryDelete(asked *rest.Ask) (any, error) {
	repo, err := repository(asked)
	if err != nil {
		return nil, err
	}
	n, err := w.p.History.DeleteRepository(asked.Context(), asked.Caller, repo)
	return Removed{n}, err
}
