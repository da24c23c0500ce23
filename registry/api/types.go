package api

import (
	"cmp"
	"strconv"
	"time"

	"cove/registry/api/rest"
	"cove/registry/audit"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/projects"
)

// User is an account.
type User struct {
	Name      string    `json:"name"`
	Admin     bool      `json:"admin"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"createdAt"`
}

func userOf(u metadata.User) User { return User{u.Name, u.Admin, u.Disabled, u.CreatedAt.UTC()} }

// NewUser is an account to be made.
type NewUser struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Admin    bool   `json:"admin,omitempty"`
}

// UserChange is what of an account is to be changed; what is left out stays.
type UserChange struct {
	Admin    *bool `json:"admin,omitempty"`
	Disabled *bool `json:"disabled,omitempty"`
}

// Password is a new password.
type Password struct {
	Password string `json:"password"`
}

// Project is a project as the one who asks sees it.
type Project struct {
	Name   string `json:"name"`
	Public bool   `json:"public"`
	Role   string `json:"role"` // of the one who asks; "none" if he is no member
	// SignedOnly: only images that are signed are pulled from it.
	SignedOnly bool      `json:"signedOnly"`
	CreatedAt  time.Time `json:"createdAt"`
}

func projectFrom(p browse.Project, signedOnly bool) Project {
	return Project{p.Name, p.Public, cmp.Or(p.Role, projects.NoRole), signedOnly, p.CreatedAt.UTC()}
}

// NewProject is a project to be made.
type NewProject struct {
	Name   string `json:"name"`
	Public bool   `json:"public,omitempty"`
}

// ProjectChange is what of a project is to be changed; what is left out stays.
type ProjectChange struct {
	Public *bool `json:"public,omitempty"`
	// Sparse: an index may be pushed without all of its manifests.
	Sparse *bool `json:"sparse,omitempty"`
}

// RestoredProject is a project that is there again.
type RestoredProject struct {
	Name         string `json:"name"`
	Repositories int64  `json:"repositories"` // in which something can be had back
}

// Count is a number that is not counted beyond a bound: then there are more.
type Count struct {
	Value int64 `json:"value"`
	More  bool  `json:"more,omitempty"`
}

func countOf(c browse.Count) Count { return Count{c.Number(), c.More()} }

// Repository is a repository with what it holds.
type Repository struct {
	Name      string     `json:"name"`
	Tags      Count      `json:"tags"`
	Artifacts Count      `json:"artifacts"`
	PushedAt  *time.Time `json:"pushedAt,omitempty"` // of its newest tag
}

func repositoryOf(r browse.Repository) Repository {
	return Repository{r.Name, countOf(r.Tags), countOf(r.Artifacts), rest.Moment(r.PushedAt)}
}

// DescribedRepository is a repository with what is said of it.
type DescribedRepository struct {
	Name        string     `json:"name"`
	Tags        Count      `json:"tags"`
	Artifacts   Count      `json:"artifacts"`
	PushedAt    *time.Time `json:"pushedAt,omitempty"` // of its newest tag
	Description string     `json:"description"`        // in Markdown; "" without one
}

// Description is what is said of a repository.
type Description struct {
	Text      string     `json:"text"` // in Markdown; "" is none
	ChangedBy string     `json:"changedBy,omitempty"`
	ChangedAt *time.Time `json:"changedAt,omitempty"`
}

// NewDescription is what is to be said of a repository.
type NewDescription struct {
	Text string `json:"text"` // in Markdown, 10,000 characters at most; "" takes it away
}

// Tag is a tag with what it names.
type Tag struct {
	Name         string    `json:"name"`
	Digest       string    `json:"digest"`
	MediaType    string    `json:"mediaType"`
	ArtifactType string    `json:"artifactType,omitempty"`
	Size         int64     `json:"size"`
	Platforms    int64     `json:"platforms"`
	PushedAt     time.Time `json:"pushedAt"`
	PushedBy     string    `json:"pushedBy"`
	Labels       []string  `json:"labels"` // that people have put on the artifact
}

// Artifact is one artifact in depth. More says that a list in it was cut.
type Artifact struct {
	Name         string    `json:"name"`
	Digest       string    `json:"digest"`
	MediaType    string    `json:"mediaType"`
	ArtifactType string    `json:"artifactType,omitempty"`
	Size         int64     `json:"size"` // of config and layers
	Tags         []string  `json:"tags"`
	Labels       []string  `json:"labels"` // that people have put on it
	Subject      string    `json:"subject,omitempty"`
	PushedAt     time.Time `json:"pushedAt"`
	PushedBy     string    `json:"pushedBy"`
	// PulledAt is when it was last pulled, at most half a minute late. PulledBy is by whom,
	// for who may read the log of the project; without it nobody had signed in.
	PulledAt    *time.Time        `json:"pulledAt,omitempty"`
	PulledBy    string            `json:"pulledBy,omitempty"`
	Platforms   []Platform        `json:"platforms"` // of an index
	Layers      []Layer           `json:"layers"`
	Steps       []Step            `json:"steps"` // of an image's history
	Annotations map[string]string `json:"annotations,omitempty"`
	Referrers   []Referrer        `json:"referrers"`
	More        bool              `json:"more,omitempty"`
}

// Platform is one manifest of an index.
type Platform struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"`
	Attests string `json:"attests,omitempty"` // the digest that it tells of
}

// Layer is a blob of an artifact.
type Layer struct {
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Title     string `json:"title,omitempty"`
}

// Step is a line of an image's history.
type Step struct {
	Made      string     `json:"made"`
	Comment   string     `json:"comment,omitempty"`
	CreatedAt *time.Time `json:"createdAt,omitempty"`
	Layer     string     `json:"layer,omitempty"` // the digest of the one it made
}

// Referrer is an artifact that refers to this one.
type Referrer struct {
	Digest       string `json:"digest"`
	MediaType    string `json:"mediaType"`
	ArtifactType string `json:"artifactType,omitempty"`
	Size         int64  `json:"size"`
}

// Event is one line of the audit log.
type Event struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Detail string    `json:"detail,omitempty"`
	From   string    `json:"from,omitempty"` // the address of a pull or a sign-in
}

// EventOf is a line of the log as it is told.
func EventOf(e audit.Event) Event {
	return Event{strconv.FormatInt(e.ID, 10), e.At.UTC(), e.Actor, e.Action, e.Object, e.Detail, e.Address}
}

// Forward is how far a receiver of the audit log is.
type Forward struct {
	Receiver string     `json:"receiver"`
	SentAt   time.Time  `json:"sent_at"` // when the last line was written that it has
	Waiting  int64      `json:"waiting"` // lines that it has not got yet; no more than 1,001 of each kind are counted
	Lost     int64      `json:"lost"`    // lines that it never gets: the log forgot them before
	FailedAt *time.Time `json:"failed_at,omitempty"`
	Error    string     `json:"error,omitempty"`
}

// Forwards are all receivers.
type Forwards struct {
	Items []Forward `json:"items"`
}

// ForwardOf is a receiver as it is told.
func ForwardOf(f audit.Forward) Forward {
	told := Forward{f.Receiver, f.SentAt.UTC(), f.Waiting, f.Lost, nil, f.Error}
	if f.Ill() {
		at := f.FailedAt.UTC()
		told.FailedAt = &at
	}
	return told
}
