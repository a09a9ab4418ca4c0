"""Small archives in the published formats, zipped or not."""

import zipfile


def write(place, files, zipped):
    """Files (path -> bytes or text) in a zip file or a folder."""
    files = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    if zipped:
        with zipfile.ZipFile(place / "archive.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        for name, text in files.items():
            path = place / "unpacked" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
