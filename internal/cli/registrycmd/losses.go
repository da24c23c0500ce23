package registrycmd

import (
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
)

// losses are all commands that take something away, with what goes and what brings it back.
var losses = map[string]command.Loss{
	"endpoint rm": {What: "Its address and password are forgotten; nothing there changes."},
	"group leave": {
		What: "The user loses what he has by the group.",
		Undo: `"registry group join" takes him in again.`,
	},
	"group rm": {What: "Its users lose what they have by it."},
	"immutable rm": {
		What: "Tags that it alone kept can be moved and deleted.",
		Undo: `"registry immutable add" makes the rule again.`,
	},
	"label remove": {What: "The artifact has the label no longer.", Undo: `"registry label add" puts it on again.`},
	"label rm": {
		What: "It is taken off all artifacts.",
		Undo: `"registry label restore" brings it back for a week, with the artifacts that had it.`,
	},
	"member rm": {
		What: "The membership ends with the next request.",
		Undo: `"registry member add" makes it again.`,
	},
	"project rm": {
		What: "The project goes with its members, robots, rules and webhooks; one that holds images is refused.",
		Undo: `"registry project restore" makes it anew for who removed it, with the repositories ` +
			`in which something can be had back, and without those.`,
	},
	"proxy rm": {
		What: "What it holds stays, in an ordinary project; the other registry's address and " +
			"password are forgotten.",
	},
	"replication rm": {What: "It copies nothing more, and its runs are forgotten. What it has copied stays."},
	"repository rm": {
		What: "All its tags and artifacts go; the bytes stay for the grace of the collector.",
		Undo: `"registry tag restore" brings them back for that time.`,
	},
	"repository release": {What: "Pulls by the former name fail, and others may take it."},
	"retention rm": {
		What: "What the rule alone kept goes with the next run.",
		Undo: `"registry retention add" makes the rule again.`,
	},
	"robot rm":     {What: "What signs in as it is refused within a second, and its secret is gone."},
	"robot rotate": {What: "The secret of now, and all that was issued for it, ends within a second."},
	"role rm": {
		What: "The role goes; one that somebody has is refused.",
		Undo: `"registry role set" makes it again.`,
	},
	"scan allow rm": {
		What: "Images with the vulnerability are kept back again, where a gate says so.",
		Undo: `"registry scan allow add" lets it through again.`,
	},
	"scan db rm": {
		What: "Images are matched against it no more.",
		Undo: `"registry scan db import" takes it in again.`,
	},
	"scan scanner rm": {What: "Its address and credential are forgotten; one that a project has chosen is refused."},
	"sign key rm": {
		What: "Images that it alone has signed are not pulled any more where signatures are required.",
		Undo: `"registry sign key add" trusts it again.`,
	},
	"tag rm": {
		What: "Of a tag the name goes, and of a digest the artifact with all its tags. " +
			"The bytes stay for the grace of the collector.",
		Undo: `"registry tag restore" brings them back for that time.`,
	},
	"token rm": {What: "What signs in with it is refused within a second."},
	"trust rm": {
		What: "Tokens that it takes are good for nothing within a second.",
		Undo: `"registry trust create" makes the rule again.`,
	},
	"user rm": {What: "The account goes, with its sessions, access tokens and memberships. What it pushed stays."},
	"webhook rm": {
		What: "The address hears of nothing any more, what waits to be delivered is not, and its " +
			"secret is gone.",
	},
}

// takeAway has the commands of the table say what they take away.
func takeAway(root *cobra.Command) {
	for path, loss := range losses {
		if cmd, left, err := root.Find(strings.Fields(path)); err == nil && len(left) == 0 {
			command.Takes(cmd, loss)
		}
	}
}
