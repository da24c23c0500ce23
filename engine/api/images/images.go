// Package images answers docker's API about images: lists of them, and transfers.
package images

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine"
	"cove/engine/api/create"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/dockertypes"
	engines "cove/engine/images"
	"cove/engine/listing"
	"cove/errdefs"
)

// API answers for the images of an engine.
type API struct{ engine *engine.Engine }

// Of answers for the images of an engine.
func Of(e *engine.Engine) *API { return &API{e} }

// Routes are the rows of the table.
func (a *API) Routes() []route.Route {
	return []route.Route{
		{Method: "GET", Path: "/images/json", Needs: route.Read, Handler: a.list, Test: "docker images"},
		{Method: "GET", Path: "/images/search", Needs: route.Read, Handler: a.search, Test: "TestSearch"},
		{
			Method: "GET", Path: "/images/{name...}/json", Needs: route.Read, Handler: a.inspect,
			Test: "docker image inspect",
		},
		{
			Method: "GET", Path: "/images/{name...}/history", Needs: route.Read, Handler: a.history,
			Test: "docker history",
		},
		{Method: "GET", Path: "/images/get", Needs: route.Read, Handler: a.save, Test: "docker save"},
		{Method: "GET", Path: "/images/{name...}/get", Needs: route.Read, Handler: a.save, Test: "TestImages"},
		{
			Method: "GET", Path: "/distribution/{name...}/json", Needs: route.Read, Handler: a.distribution,
			Since: wire.V(30),
			Test:  "TestTransfers",
		},
		{Method: "POST", Path: "/images/create", Needs: route.Images, Handler: a.create, Test: "docker pull"},
		{Method: "POST", Path: "/images/load", Needs: route.Images, Handler: a.load, Test: "docker load"},
		{
			Method: "POST", Path: "/images/prune", Needs: route.Images, Handler: a.prune, Since: wire.V(25),
			Test: "docker image prune",
		},
		{Method: "POST", Path: "/images/{name...}/push", Needs: route.Images, Handler: a.push, Test: "docker push"},
		{Method: "POST", Path: "/images/{name...}/tag", Needs: route.Images, Handler: a.tag, Test: "docker tag"},
		{Method: "DELETE", Path: "/images/{name...}", Needs: route.Images, Handler: a.remove, Test: "docker rmi"},
		{Method: "POST", Path: "/commit", Needs: route.Images, Handler: a.commit, Test: "docker commit"},
		{Method: "POST", Path: "/auth", Needs: route.Images, Handler: a.auth, Test: "TestTransfers"},
	}
}

// row is an image as docker's list has it.
type row struct {
	ID          string `json:"Id"`
	ParentID    string `json:"ParentId"`
	RepoTags    []string
	RepoDigests []string
	Created     int64
	Size        int64
	SharedSize  int64
	VirtualSize int64 `json:",omitempty"` // before 1.44
	Labels      map[string]string
	Containers  int64
}

func (a *API) list(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("filter"); name != "" && r.Version.Before(wire.V(41)) {
		if filters == nil {
			filters = map[string][]string{}
		}
		filters["reference"] = append(filters["reference"], name)
	}
	all, err := a.engine.ListImages(r.Context(), filters)
	if err != nil {
		return err
	}
	rows := rowsOf(all, r.Version)
	if wire.Bool(r.URL.Query(), "shared-size") {
		told, err := a.engine.DiskUsage(r.Context())
		if err != nil {
			return err
		}
		uses := usesOf(told)
		for _, one := range rows {
			one.SharedSize = uses[one.ID].Shared
		}
	}
	return wire.JSON(w, http.StatusOK, rows)
}

// rowsOf are one for each image: the engine lists one for each of its names.
func rowsOf(all []listing.Image, version wire.Version) []*row {
	rows := []*row{}
	byID := map[string]*row{}
	for _, img := range all {
		id := img.ID.String()
		one := byID[id]
		if one == nil {
			one = &row{
				ID: id, RepoTags: []string{}, RepoDigests: []string{}, Size: img.Size, SharedSize: -1, Containers: -1,
				Labels: img.Config.Config.Labels, Created: unix(img.Config.Created),
			}
			if version.Before(wire.V(44)) {
				one.VirtualSize = img.Size
			}
			if one.Labels == nil {
				one.Labels = map[string]string{}
			}
			byID[id] = one
			rows = append(rows, one)
		}
		one.add(img)
	}
	if version.Before(wire.V(43)) {
		for _, one := range rows {
			if len(one.RepoTags) == 0 && len(one.RepoDigests) == 0 {
				one.RepoTags, one.RepoDigests = []string{"<none>:<none>"}, []string{"<none>@<none>"}
			}
		}
	}
	return rows
}

func (one *row) add(img listing.Image) {
	if img.Repository == listing.None {
		return
	}
	if tag := img.Repository + ":" + img.Tag; img.Tag != listing.None && !slices.Contains(one.RepoTags, tag) {
		one.RepoTags = append(one.RepoTags, tag)
	}
	if d := img.Repository + "@" + img.Digest.String(); img.Digest != "" && !slices.Contains(one.RepoDigests, d) {
		one.RepoDigests = append(one.RepoDigests, d)
	}
}

func unix(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

func (a *API) inspect(w http.ResponseWriter, r *route.Request) error {
	imgs, err := forPlatform(r, a.engine)
	if err != nil {
		return err
	}
	img, err := imgs.InspectImage(r.Context(), r.Param("name"))
	if err != nil {
		return missing(r, err)
	}
	if img.RepoTags == nil {
		img.RepoTags = []string{}
	}
	if img.RepoDigests == nil {
		img.RepoDigests = []string{}
	}
	if !r.Version.Before(wire.V(45)) {
		return wire.JSON(w, http.StatusOK, img)
	}
	// Clients of before read what an image was committed from, which has long been empty.
	old := struct {
		*dockertypes.Image
		Container       string
		ContainerConfig dockertypes.Config
		VirtualSize     int64 `json:",omitempty"`
	}{Image: img}
	if r.Version.Before(wire.V(44)) {
		old.VirtualSize = img.Size
	}
	return wire.JSON(w, http.StatusOK, old)
}

// missing has the words that docker's clients look for in an image that is not here.
func missing(r *route.Request, err error) error {
	if r.URL.Query().Get("platform") != "" {
		return err // it may be here for another one
	}
	return wire.Missing(err, "image", r.Param("name"))
}

// forPlatform are the images that a request is about: those of the platform that it
// names, as JSON or as OS/ARCH[/VARIANT].
func forPlatform(r *route.Request, e *engine.Engine) (*engines.Images, error) {
	asked := r.URL.Query()["platform"]
	if len(asked) > 1 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "multiple platform parameters not supported")
	}
	text := strings.Join(asked, "")
	if strings.HasPrefix(text, "{") {
		var p ocispec.Platform
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "platform %s: %w", text, err)
		}
		text = strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
	}
	return e.ForPlatform(text)
}

func (a *API) history(w http.ResponseWriter, r *route.Request) error {
	imgs, err := forPlatform(r, a.engine)
	if err != nil {
		return err
	}
	steps, err := imgs.History(r.Context(), r.Param("name"))
	if err != nil {
		return missing(r, err)
	}
	type step struct {
		ID        string `json:"Id"`
		Created   int64
		CreatedBy string
		Tags      []string
		Size      int64
		Comment   string
	}
	out := []step{}
	for _, s := range steps {
		one := step{cmp.Or(s.ID.String(), "<missing>"), 0, s.CreatedBy, s.Names, s.Size, s.Comment}
		if !s.Created.IsZero() {
			one.Created = s.Created.Unix()
		}
		out = append(out, one)
	}
	return wire.JSON(w, http.StatusOK, out)
}

func (a *API) tag(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	target := q.Get("repo")
	if tag := q.Get("tag"); tag != "" {
		target += ":" + tag
	}
	if err := a.engine.Tag(r.Context(), r.Param("name"), target); err != nil {
		return missing(r, err)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// removed is what became of a name or an image.
type removed struct {
	Untagged string `json:",omitempty"`
	Deleted  string `json:",omitempty"`
}

func removals(untagged, deleted []string) []removed {
	out := []removed{}
	for _, name := range untagged {
		out = append(out, removed{Untagged: name})
	}
	for _, id := range deleted {
		out = append(out, removed{Deleted: id})
	}
	return out
}

func (a *API) remove(w http.ResponseWriter, r *route.Request) error {
	gone, err := a.engine.RemoveImage(r.Context(), r.Param("name"), wire.Bool(r.URL.Query(), "force"))
	if err != nil {
		return missing(r, err)
	}
	return wire.JSON(w, http.StatusOK, removals(gone.Untagged, gone.Deleted))
}

// prune removes images without a name, or with the filter dangling=false all that no
// container uses.
func (a *API) prune(w http.ResponseWriter, r *route.Request) error {
	filters, err := wire.Filters(r.URL.Query())
	if err != nil {
		return err
	}
	pruned, err := a.engine.Prune(r.Context(), engine.PruneOptions{Images: true, Filter: filters})
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, struct {
		ImagesDeleted  []removed
		SpaceReclaimed int64
	}{removals(pruned.Images.Untagged, pruned.Images.Deleted), pruned.Freed})
}

func (a *API) search(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	filters, err := wire.Filters(q)
	if err != nil {
		return err
	}
	limit, err := wire.Int(q, "limit", 0)
	if err != nil {
		return err
	}
	e, err := a.as(r)
	if err != nil {
		return err
	}
	found, err := e.Search(r.Context(), q.Get("term"), searchOptions{Limit: limit, Filter: filters})
	if err != nil {
		return err
	}
	type result struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Stars       int    `json:"star_count"`
		Official    bool   `json:"is_official"`
		Automated   bool   `json:"is_automated"`
	}
	out := []result{}
	for _, f := range found {
		out = append(out, result{f.Name, f.Description, f.Stars, f.Official, f.Automated})
	}
	return wire.JSON(w, http.StatusOK, out)
}

func (a *API) commit(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	name := q.Get("repo")
	if tag := q.Get("tag"); tag != "" && name != "" {
		name += ":" + tag
	}
	var changes []string
	for _, text := range q["changes"] {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				changes = append(changes, line)
			}
		}
	}
	config, err := create.Config(r.Request)
	if err != nil {
		return err
	}
	// An image has the files of its container: whoever may not see those makes none.
	of, err := a.engine.Container(r.Context(), q.Get("container"))
	if err != nil {
		return err
	}
	if !r.Access.Sees(of.Config().Labels) {
		if err := r.Access.Require(route.Read, "an image of a container"); err != nil {
			return err
		}
	}
	img, err := a.engine.Commit(r.Context(), of.ID(), commitOptions{
		Name: name, Message: q.Get("comment"), Author: q.Get("author"), Config: config, Changes: changes,
		Running: !wire.BoolOr(q, "pause", true),
	})
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusCreated, struct {
		ID string `json:"Id"`
	}{img.ID.String()})
}

// Measured are the rows of all images with how many bytes each shares with others, and how
// many containers it has.
func Measured(told engine.DiskUsage, version wire.Version) any {
	all := make([]listing.Image, 0, len(told.Images))
	for _, img := range told.Images {
		all = append(all, img.Image)
	}
	rows, uses := rowsOf(all, version), usesOf(told)
	for _, one := range rows {
		one.SharedSize, one.Containers = uses[one.ID].Shared, int64(uses[one.ID].Containers)
	}
	return rows
}

// usesOf are they by their ids.
func usesOf(told engine.DiskUsage) map[string]engine.ImageUsage {
	uses := make(map[string]engine.ImageUsage, len(told.Images))
	for _, img := range told.Images {
		uses[img.ID.String()] = img
	}
	return uses
}
