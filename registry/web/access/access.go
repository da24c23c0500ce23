// Package access has the pages about who may what besides users and members: robots
// of projects and of the registry, rules that trust tokens of others, access tokens, groups and roles, and the question
// why somebody may something.
package access

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/metadata/people"
	"cove/registry/robots"
	"cove/registry/trust"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// Config is what the pages need, all of it.
type Config struct {
	*page.Desk
	Accounts *accounts.Accounts
	Robots   *robots.Robots
	Trust    *trust.Rules
}

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	cfg Config
}

// New returns the pages.
func New(cfg Config) *Pages { return &Pages{cfg.Desk, cfg} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	get, post := page.Get, page.Post
	const project = "/projects/{project}/robots"
	return append([]page.Row{
		get(project, auth.ListRobots, "project", p.robots),
		post(project, auth.CreateRobots, "project", p.robotCreate),
		post(project+"/{robot}/secret", auth.ChangeRobots, "project", p.robotRotate),
		post(project+"/{robot}/change", auth.ChangeRobots, "project", p.robotChange),
		post(project+"/{robot}/remove", auth.RemoveRobots, "project", p.robotRemove),
		get("/robots", auth.ManageUsers, "users", p.robots),
		post("/robots", auth.ManageUsers, "users", p.robotCreate),
		post("/robots/{robot}/secret", auth.ManageUsers, "users", p.robotRotate),
		post("/robots/{robot}/change", auth.ManageUsers, "users", p.robotChange),
		post("/robots/{robot}/remove", auth.ManageUsers, "users", p.robotRemove),

		get("/account/tokens", auth.SignIn, "account", p.tokens),
		post("/account/tokens", auth.SignIn, "account", p.tokenCreate),
		post("/account/tokens/remove", auth.SignIn, "account", p.tokenRemove),

		get("/groups", auth.ManageUsers, "users", p.groups),
		post("/groups", auth.ManageUsers, "users", p.groupCreate),
		post("/groups/users", auth.ManageUsers, "users", p.groupUsers),
		post("/groups/remove", auth.ManageUsers, "users", p.groupRemove),
		get("/access", auth.SignIn, "account", p.explain),
		get("/roles", auth.SignIn, "roles", p.roles),
		post("/roles", auth.ManageRoles, "roles", p.roleSet),
		post("/roles/remove", auth.ManageRoles, "roles", p.roleRemove),
	}, p.trustRows()...)
}

// again is the answer to a form that the reader can mend; it is false for an error
// that he cannot.
func (p *Pages) again(a *page.Ask, err error, make func(*page.Ask) (*view.Page, error)) (bool, error) {
	text, ok := page.Refused(err)
	if !ok {
		return false, err
	}
	pg, err := make(a)
	if err != nil {
		return true, err
	}
	return true, p.Again(a, pg, text)
}

// ends reads when something ends, from a number of days; none is never.
func (p *Pages) ends(a *page.Ask) (time.Time, error) {
	text := a.PostForm.Get("days")
	if text == "" {
		return time.Time{}, nil
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 || days > 3650 {
		return time.Time{}, page.Invalid("%q is no number of days from 1 to 3650", text)
	}
	return p.Now().AddDate(0, 0, days), nil
}

// made is what is shown once.
type made struct{ Name, Secret string }

type robotsData struct {
	*page.Place
	Robots    []robots.Robot
	Made      *made
	URL, More string
	Name      string // that was asked for and could not be made
	MayCreate bool
	MayRemove bool
	Now       time.Time
}

// Ended says whether a robot has come to its end.
func (d robotsData) Ended(r robots.Robot) bool { return r.Expired(d.Now) }

func (p *Pages) robots(a *page.Ask) error {
	pg, err := p.robotsPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) robotsPage(a *page.Ask) (*view.Page, error) {
	project := a.PathValue("project")
	d := &robotsData{URL: "/robots", Name: a.PostForm.Get("name"), MayCreate: true, MayRemove: true, Now: p.Now()}
	pg := &view.Page{Name: "system-robots", Section: "robots", Title: a.Language.Text("robots.title"), Data: d}
	if project != "" {
		var err error
		if d.Place, err = p.Place(a); err != nil {
			return nil, err
		}
		d.URL = "/projects/" + project + "/robots"
		d.MayCreate = p.Browse.May(a.Context(), a.Caller, auth.CreateRobots, project)
		d.MayRemove = p.Browse.May(a.Context(), a.Caller, auth.RemoveRobots, project)
		pg.Name, pg.Section, pg.Title = "robots", "projects", pg.Title+" · "+project
	}
	found, more, err := p.cfg.Robots.List(a.Context(), a.Caller, robots.Query{
		Project: project, Last: page.Bounded(a.FormValue("after")), N: page.PerPage,
	})
	d.Robots = found
	if more {
		d.More = page.NextPage(d.URL, "", found[len(found)-1].Name)
	}
	return pg, err
}

// robotDone ends a form of the page of robots.
func (p *Pages) robotDone(a *page.Ask, err error, text string) error {
	if is, err := p.again(a, err, p.robotsPage); is || err != nil {
		return err
	}
	back := "/robots"
	if project := a.PathValue("project"); project != "" {
		back = "/projects/" + project + "/robots"
	}
	return p.Done(a, back, view.Notice{Text: text})
}

// shown answers with the page that shows a secret once.
func (p *Pages) shown(a *page.Ask, m made) error {
	a.PostForm.Del("name")
	pg, err := p.robotsPage(a)
	if err != nil {
		return err
	}
	if d, ok := pg.Data.(*robotsData); ok {
		d.Made = &m
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) robotCreate(a *page.Ask) error {
	form := a.PostForm
	spec := robots.Spec{
		Project: a.PathValue("project"), Name: form.Get("name"), Description: form.Get("description"),
		Rights: form["right"], Repositories: strings.Fields(form.Get("repositories")),
	}
	var err error
	if spec.ExpiresAt, err = p.ends(a); err == nil {
		var secret string
		var r robots.Robot
		if r, secret, err = p.cfg.Robots.Create(a.Context(), a.Caller, spec); err == nil {
			return p.shown(a, made{r.Called(), secret})
		}
	}
	return p.robotDone(a, err, "")
}

func named(a *page.Ask) string { return robots.FullName(a.PathValue("project"), a.PathValue("robot")) }

func (p *Pages) robotRotate(a *page.Ask) error {
	secret, err := p.cfg.Robots.Rotate(a.Context(), a.Caller, named(a))
	if err == nil {
		return p.shown(a, made{named(a), secret})
	}
	return p.robotDone(a, err, "")
}

func (p *Pages) robotChange(a *page.Ask) error {
	disabled := a.PostForm.Get("disabled") == "1"
	err := p.cfg.Robots.Change(a.Context(), a.Caller, named(a), robots.Change{Disabled: &disabled})
	key := "robots.enabled"
	if disabled {
		key = "robots.disabled"
	}
	return p.robotDone(a, err, a.Language.Text(key, named(a)))
}

func (p *Pages) robotRemove(a *page.Ask) error {
	err := p.cfg.Robots.Remove(a.Context(), a.Caller, named(a))
	return p.robotDone(a, err, a.Language.Text("robots.removed", named(a)))
}

type tokensData struct {
	Tokens []people.AccessToken
	Made   *made
	Name   string
	Now    time.Time
}

// Words are the rights of a token as the page says them; all of them are one word.
func (tokensData) Words(t people.AccessToken) string {
	if t.Rights == strings.Join(texts(rights.All()), " ") {
		return "*"
	}
	return t.Rights
}

func texts(all []rights.Right) (words []string) {
	for _, r := range all {
		words = append(words, string(r))
	}
	return words
}

func (p *Pages) tokens(a *page.Ask) error {
	pg, err := p.tokensPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) tokensPage(a *page.Ask) (*view.Page, error) {
	found, err := p.cfg.Accounts.Tokens(a.Context(), a.Caller, a.Caller.Name)
	return &view.Page{
		Name: "tokens", Section: "account", Title: a.Language.Text("tokens.title"),
		Data: &tokensData{Tokens: found, Name: a.PostForm.Get("name"), Now: p.Now()},
	}, err
}

func (p *Pages) tokenCreate(a *page.Ask) error {
	form := a.PostForm
	spec := accounts.TokenSpec{
		Name: form.Get("name"), Rights: form["right"], Repositories: strings.TrimSpace(form.Get("repositories")),
	}
	var err error
	var text string
	if spec.ExpiresAt, err = p.ends(a); err == nil {
		text, err = p.cfg.Accounts.CreateToken(a.Context(), a.Caller, a.Caller.Name, spec)
	}
	if is, err := p.again(a, err, p.tokensPage); is || err != nil {
		return err
	}
	a.PostForm.Del("name")
	pg, err := p.tokensPage(a)
	if err != nil {
		return err
	}
	if d, ok := pg.Data.(*tokensData); ok {
		d.Made = &made{a.Caller.Name, text}
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) tokenRemove(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Accounts.RemoveToken(a.Context(), a.Caller, a.Caller.Name, name)
	if is, err := p.again(a, err, p.tokensPage); is || err != nil {
		return err
	}
	return p.Done(a, "/account/tokens", view.Notice{Text: a.Language.Text("tokens.removed", name)})
}

type groupsData struct {
	Groups     []groupRow
	Name, More string
}

type groupRow struct {
	people.Group
	Names []string // of its users, the first
	Left  int64    // how many are not named
}

// namesShown is how many users of a group its row names.
const namesShown = 30

func (p *Pages) groups(a *page.Ask) error {
	pg, err := p.groupsPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) groupsPage(a *page.Ask) (*view.Page, error) {
	found, more, err := p.cfg.Accounts.Groups(a.Context(), a.Caller, page.Bounded(a.FormValue("after")), page.PerPage)
	if err != nil {
		return nil, err
	}
	d := groupsData{Name: a.PostForm.Get("name")}
	for _, g := range found {
		names, _, err := p.cfg.Accounts.GroupUsers(a.Context(), a.Caller, g.Name, "", namesShown)
		if err != nil {
			return nil, err
		}
		d.Groups = append(d.Groups, groupRow{g, names, g.Users - int64(len(names))})
	}
	if more {
		d.More = page.NextPage("/groups", "", found[len(found)-1].Name)
	}
	return &view.Page{Name: "groups", Section: "users", Title: a.Language.Text("groups.title"), Data: d}, nil
}

func (p *Pages) groupDone(a *page.Ask, err error, text string) error {
	if is, err := p.again(a, err, p.groupsPage); is || err != nil {
		return err
	}
	return p.Done(a, "/groups", view.Notice{Text: text})
}

func (p *Pages) groupCreate(a *page.Ask) error {
	name := strings.TrimSpace(a.PostForm.Get("name"))
	return p.groupDone(
		a,
		p.cfg.Accounts.AddGroup(a.Context(), a.Caller, name),
		a.Language.Text("groups.created", name),
	)
}

func (p *Pages) groupUsers(a *page.Ask) error {
	group, user := a.PostForm.Get("group"), a.PostForm.Get("user")
	in, key := a.PostForm.Get("in") == "1", "groups.left"
	if in {
		key = "groups.joined"
	}
	err := p.cfg.Accounts.SetInGroup(a.Context(), a.Caller, group, user, in)
	return p.groupDone(a, err, a.Language.Text(key, user, group))
}

func (p *Pages) groupRemove(a *page.Ask) error {
	name := a.PostForm.Get("group")
	err := p.cfg.Accounts.RemoveGroup(a.Context(), a.Caller, name)
	return p.groupDone(a, err, a.Language.Text("groups.removed", name))
}

type rolesData struct {
	Roles       []roleRow
	Resources   []resource // to choose from
	MayManage   bool
	Name, About string
}

type roleRow struct {
	people.CustomRole
	BuiltIn bool
	Has     []resource
}

// resource is what rights are about, with those of a role.
type resource struct {
	Name    string
	Actions []string
}

func resources(words []string) (all []resource) {
	for _, word := range words {
		name, action, _ := strings.Cut(word, ":")
		if n := len(all); n == 0 || all[n-1].Name != name {
			all = append(all, resource{Name: name})
		}
		all[len(all)-1].Actions = append(all[len(all)-1].Actions, action)
	}
	return all
}

func (p *Pages) roles(a *page.Ask) error {
	pg, err := p.rolesPage(a)
	if err != nil {
		return err
	}
	return p.Show(a, 200, pg)
}

func (p *Pages) rolesPage(a *page.Ask) (*view.Page, error) {
	found, err := p.cfg.Accounts.Roles(a.Context(), a.Caller)
	if err != nil {
		return nil, err
	}
	d := rolesData{
		MayManage: p.Browse.May(a.Context(), a.Caller, auth.ManageRoles, ""),
		Name:      a.PostForm.Get("name"), About: a.PostForm.Get("description"),
	}
	for _, r := range found {
		d.Roles = append(d.Roles, roleRow{r, rights.OfRole(r.Name) != nil, resources(strings.Fields(r.Rights))})
	}
	var all []string
	for _, r := range rights.All() {
		if !r.System() {
			all = append(all, string(r))
		}
	}
	d.Resources = resources(all)
	return &view.Page{Name: "roles", Section: "users", Title: a.Language.Text("roles.title"), Data: d}, nil
}

func (p *Pages) roleSet(a *page.Ask) error {
	r := people.CustomRole{
		Name: a.PostForm.Get("name"), Description: a.PostForm.Get("description"),
		Rights: strings.Join(a.PostForm["right"], " "),
	}
	there, err := p.cfg.Accounts.Roles(a.Context(), a.Caller)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(there, func(o people.CustomRole) bool { return o.Name == r.Name }) {
		err = errdefs.Errorf(errdefs.ErrExists, "%s", a.Language.Text("roles.there", r.Name))
	} else {
		err = p.cfg.Accounts.SetRole(a.Context(), a.Caller, r)
	}
	if is, err := p.again(a, err, p.rolesPage); is || err != nil {
		return err
	}
	return p.Done(a, "/roles", view.Notice{Text: a.Language.Text("roles.set", r.Name)})
}

func (p *Pages) roleRemove(a *page.Ask) error {
	name := a.PostForm.Get("name")
	err := p.cfg.Accounts.RemoveRole(a.Context(), a.Caller, name)
	if is, err := p.again(a, err, p.rolesPage); is || err != nil {
		return err
	}
	return p.Done(a, "/roles", view.Notice{Text: a.Language.Text("roles.removed", name)})
}
