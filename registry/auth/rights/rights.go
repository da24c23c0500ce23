// Package rights is what can be done in a registry, each thing a [Right], and the
// roles that are sets of them. The roles of a project are Harbor's; the table is
// that of its code, which differs from its documentation. Who has which role where
// is for package auth and the database.
package rights

import (
	"maps"
	"slices"
	"strings"

	"cove/errdefs"
)

// Right is something that a caller may or may not do, as "repository:pull": a
// resource and an action. Those of the table are towards a project; the others,
// which no role of a project has, are towards the registry as a whole.
type Right string

// The rights that this registry's routes and services ask for by name.
const (
	Pull   Right = "repository:pull"
	Push   Right = "repository:push"
	Delete Right = "artifact:delete"
	// Read is to see what a repository holds, without its bytes.
	Read Right = "repository:read"

	CreateProject Right = "project:create"
	ReadProject   Right = "project:read"
	RemoveProject Right = "project:delete"
	SetVisibility Right = "metadata:update"
	ReadLog       Right = "log:list"

	ListMembers   Right = "member:list"
	SetMembers    Right = "member:update"
	ListRobots    Right = "robot:list"
	CreateRobots  Right = "robot:create"
	ChangeRobots  Right = "robot:update"
	RemoveRobots  Right = "robot:delete"
	ListProjects  Right = "system:list-projects"
	ManageUsers   Right = "system:manage-users"
	ManageRoles   Right = "system:manage-roles"
	ReadAudit     Right = "system:read-audit"
	ExplainAccess Right = "system:explain-access"
	ManageJobs    Right = "system:manage-jobs"
	// ManageRegistries is to have this one ask and feed others.
	ManageRegistries Right = "system:manage-registries"
	// ManageQuotas is to say how many bytes projects may use, and see what all use.
	ManageQuotas Right = "system:manage-quotas"
	// ReadScans is to see what scans found in all projects, ManageScans to bring
	// databases of vulnerabilities and have all scanned.
	ReadScans   Right = "system:read-scans"
	ManageScans Right = "system:manage-scans"
	// ManageLabels is to make labels for the artifacts of all projects.
	ManageLabels Right = "system:manage-labels"
)

// system are the rights towards the registry as a whole.
var system = []Right{
	CreateProject, ListProjects, ManageUsers, ManageRoles, ReadAudit, ExplainAccess, ManageJobs, ManageRegistries,
	ManageQuotas,
	ReadScans, ManageScans, ManageLabels,
}

// The roles of a project, as Harbor has them, and those ready made beside them.
const (
	LimitedGuest = "limited-guest"
	Guest        = "guest"
	Developer    = "developer"
	Maintainer   = "maintainer"
	ProjectAdmin = "project-admin"
	// Puller pulls and sees no page.
	Puller = "puller"
	// Auditor reads everything but the bytes, the logs too.
	Auditor = "auditor"
)

// actions are the letters of the table.
var actions = map[rune]string{
	'C': "create", 'R': "read", 'U': "update", 'D': "delete", 'L': "list", 'O': "operate", 'S': "stop",
	'<': "pull", '>': "push",
}

// matrix has a row for each resource of a project, with what limited guests, guests,
// developers, maintainers and project administrators may do with it.
var matrix = [...]struct {
	resource string
	of       [5]string
}{
	{"project", [5]string{"R", "R", "R", "R", "RUD"}},
	{"member", [5]string{"", "RL", "RL", "RL", "CRUDL"}},
	{"metadata", [5]string{"", "", "", "R", "CRUD"}},
	{"log", [5]string{"", "", "", "", "L"}},
	{"label", [5]string{"", "RL", "RL", "CRUDL", "CRUDL"}},
	{"quota", [5]string{"R", "R", "R", "R", "R"}},
	{"repository", [5]string{"RL<", "RL<", "CRUL><", "CRUDL><", "CRUDL<>"}},
	{"tag-retention", [5]string{"", "", "CRUDLO", "CRUDLO", "CRUDLO"}},
	{"immutable-tag", [5]string{"", "", "", "CUDL", "CUDL"}},
	{"configuration", [5]string{"R", "R", "R", "R", "RU"}},
	{"robot", [5]string{"", "RL", "RL", "RL", "CRUDL"}},
	{"notification-policy", [5]string{"", "", "", "RL", "CRUDL"}},
	{"scan", [5]string{"R", "R", "R", "CRS", "CRS"}},
	{"sbom", [5]string{"R", "R", "R", "CRS", "CRS"}},
	{"scanner", [5]string{"R", "R", "R", "R", "CR"}},
	{"artifact", [5]string{"RL", "RL", "CRL", "CRDL", "CRDL"}},
	{"artifact-addition", [5]string{"R", "R", "R", "R", "R"}},
	{"tag", [5]string{"L", "L", "CL", "CDL", "CDL"}},
	{"accessory", [5]string{"L", "L", "L", "L", "L"}},
	{"artifact-label", [5]string{"", "", "CD", "CD", "CD"}},
	{"preheat-policy", [5]string{"", "", "", "", "CRUDL"}},
	{"export-cve", [5]string{"", "", "CRL", "CRL", "CRL"}},
}

// builtIn are the roles that there always are, the columns of the table first.
var builtIn = []string{LimitedGuest, Guest, Developer, Maintainer, ProjectAdmin, Puller, Auditor}

// BuiltIn lists the roles that there always are, Harbor's first and of those the
// smallest.
func BuiltIn() []string { return slices.Clone(builtIn) }

// InProject says whether a role is one that members of a project have. The others
// are given in the whole registry.
func InProject(role string) bool { return role != Auditor }

// Set is a set of rights.
type Set map[Right]bool

// NewSet is the set of these rights.
func NewSet(all ...Right) Set {
	s := Set{}
	for _, r := range all {
		s[r] = true
	}
	return s
}

// sets are the rights of each built-in role, of everyone in a public project, and
// all that there are.
var sets, public, all = build()

func build() (sets map[string]Set, public, all Set) {
	sets, all = map[string]Set{
		Puller:  NewSet(Pull),
		Auditor: NewSet(ReadAudit, ListProjects, ExplainAccess, ReadScans),
	}, NewSet(
		system...)
	for column, role := range builtIn[:5] {
		sets[role] = Set{}
		for _, row := range matrix {
			for _, letter := range row.of[column] {
				right := Right(row.resource + ":" + actions[letter])
				sets[role][right], all[right] = true, true
			}
		}
	}
	for right := range all {
		if right.Reads() {
			sets[Auditor][right] = true
		}
	}
	public = NewSet(
		Pull,
		Read,
		ReadProject,
		"repository:list",
		"artifact:read",
		"artifact:list",
		"artifact-addition:read",
		"tag:list",
		"accessory:list",
	)
	return sets, public, all
}

// OfRole is what a built-in role has; nil for one that is not built in.
func OfRole(role string) Set { return sets[role] }

// OfPublic is what everyone has in a public project, signed in or not.
func OfPublic() Set { return public }

// Known says whether there is such a right.
func Known(r Right) bool { return all[r] }

// Reads says that the right is only to look.
func (r Right) Reads() bool {
	_, action, _ := strings.Cut(string(r), ":")
	return action == "read" || action == "list"
}

// System says that the right is towards the registry as a whole.
func (r Right) System() bool { return slices.Contains(system, r) }

// String is the set as it is stored: the rights in order, a space between two.
func (s Set) String() string {
	words := make([]string, 0, len(s))
	for r := range s {
		words = append(words, string(r))
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Has says whether all of another set is in this one, and else which right is not.
func (s Set) Has(other Set) (missing Right, ok bool) {
	for _, r := range slices.Sorted(maps.Keys(other)) {
		if !s[r] {
			return r, false
		}
	}
	return "", true
}

// Stored is the set of a text that String made.
func Stored(text string) Set {
	s := Set{}
	for word := range strings.FieldsSeq(text) {
		s[Right(word)] = true
	}
	return s
}

// words are short for what a robot or a token is mostly made for.
var words = map[string]Set{
	"pull":   sets[Puller],
	"push":   NewSet(Pull, Push, "tag:create", "artifact:create"),
	"delete": NewSet(Delete, "tag:delete", "repository:delete"),
	"read":   sets[LimitedGuest],
	"all":    all,
}

// Words lists the words that Parse takes besides rights.
func Words() []string { return slices.Sorted(maps.Keys(words)) }

// Parse reads rights as people type them: "pull", "push", "delete", "read" and
// "all", a role, or a right by its name, as "tag:list". What is none of them is
// errdefs.ErrInvalid.
func Parse(list ...string) (Set, error) {
	s := Set{}
	for _, entry := range list {
		for word := range strings.FieldsFuncSeq(entry, func(r rune) bool { return r == ',' || r == ' ' }) {
			switch {
			case words[word] != nil:
				maps.Copy(s, words[word])
			case sets[word] != nil:
				maps.Copy(s, sets[word])
			case Known(Right(word)):
				s[Right(word)] = true
			default:
				return nil, errdefs.Errorf(errdefs.ErrInvalid,
					"right %q: use %s, a role, or a right as tag:list", word, strings.Join(Words(), ", "))
			}
		}
	}
	return s, nil
}

// All lists every right, in order.
func All() []Right { return slices.Sorted(maps.Keys(all)) }
