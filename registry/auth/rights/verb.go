package rights

import "strings"

// Verb is what somebody does who uses a right, as refusals say it.
func Verb(r Right) string {
	for _, v := range verbs {
		if v.right == r {
			return v.verb
		}
	}
	resource, action, _ := strings.Cut(string(r), ":")
	return action + " " + resource + " of"
}

var verbs = []struct {
	right Right
	verb  string
}{
	{Pull, "pull"},
	{Push, "push"},
	{Delete, "delete"},
	{Read, "look at"},
	{ReadProject, "look at"},
	{CreateProject, "create"},
	{RemoveProject, "remove"},
	{SetVisibility, "show or hide"},
	{ListMembers, "see the members of"},
	{SetMembers, "choose the members of"},
	{ListRobots, "see the robots of"},
	{CreateRobots, "make robots for"},
	{ChangeRobots, "change robots of"},
	{RemoveRobots, "remove robots of"},
	{ListProjects, "list all projects"},
	{ManageUsers, "manage users"},
	{ManageRoles, "manage roles"},
	{ReadAudit, "read the audit log"},
	{ExplainAccess, "ask what others may do"},
	{ManageJobs, "manage jobs"},
	{ManageRegistries, "manage proxies and replication"},
	{ManageQuotas, "set quotas"},
	{ReadScans, "see what scans found in all projects"},
	{ManageScans, "manage databases of vulnerabilities"},
	{ManageLabels, "manage the labels of all projects"},
	{"artifact-label:create", "put labels on artifacts of"},
	{"artifact-label:delete", "take labels off artifacts of"},
}
