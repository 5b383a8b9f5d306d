package discover

import (
	"path"
	"strings"

	"speyside.dev/speyside/internal/config/pasteini"
)

// paste are the files of PasteDeploy, as Pyramid's, that have an application of the name main.
func (f *finder) paste(dir string) []*candidate {
	var found []*candidate
	for _, file := range f.glob(dir, ".ini") {
		if strings.HasPrefix(path.Base(file), "test") { // Pyramid's testing.ini is for its tests
			continue
		}
		text, ok := f.text(file)
		if !ok {
			continue
		}
		if !pasteini.LooksLike(text) {
			if strings.Contains(text, "[uwsgi]") {
				f.remark("%s is uWSGI's, and is not looked for: speyside --ini %s", file, file)
			}
			continue
		}
		ini, err := pasteini.Parse(text)
		if err != nil {
			f.remark("%s: %v", file, err)
			continue
		}
		section := ini.App("main")
		if section == nil {
			f.remark("%s has no [app:main]", file)
			continue
		}
		found = append(found, &candidate{rank: byPaste, file: file, Found: Found{Paste: file, Why: file + " has [" + section.Name + "]"}})
	}
	return found
}
