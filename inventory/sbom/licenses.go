package sbom

import "strings"

// known are licences of SPDX's list that packages are under most. What is none of
// them is told as it was found, and not as an expression: other tools refuse one with
// a name that is not in the list.
const known = "0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-1.1 Apache-2.0 Artistic-1.0 Artistic-2.0 BlueOak-1.0.0 " +
	"BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-4-Clause BSL-1.0 bzip2-1.0.6 CC-BY-3.0 CC-BY-4.0 CC0-1.0 CDDL-1.0 " +
	"CDDL-1.1 curl EPL-1.0 EPL-2.0 FTL GFDL-1.3-or-later GPL-1.0-or-later GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0 " +
	"GPL-3.0-only GPL-3.0-or-later HPND ICU ISC JSON LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later " +
	"LGPL-3.0-only LGPL-3.0-or-later libpng-2.0 MIT MIT-0 MPL-1.1 MPL-2.0 MulanPSL-2.0 NCSA OFL-1.1 OpenSSL " +
	"PostgreSQL PSF-2.0 Python-2.0 Ruby Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 Vim W3C WTFPL X11 Zlib ZPL-2.1"

// License says whether a text is an expression of SPDX, of licences that are known.
func License(text string) bool {
	if text == "" || strings.Count(text, "(") != strings.Count(text, ")") {
		return false
	}
	licence := true // what is to come: a licence, or an operator
	for _, word := range strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(text)) {
		operator := word == "AND" || word == "OR"
		if operator == licence || !operator && !listed(word) {
			return false
		}
		licence = operator
	}
	return !licence
}

func listed(id string) bool {
	for one := range strings.FieldsSeq(known) {
		if one == id {
			return true
		}
	}
	return false
}
