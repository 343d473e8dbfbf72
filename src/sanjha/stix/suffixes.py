"""File name suffixes that are no top-level domain, to tell ``setup.exe`` from ``evil.zip``.

Checked against the root zone (IANA, https://data.iana.org/TLD/tlds-alpha-by-domain.txt): suffixes that were
delegated (app, cab, com, mov, pl, ps, py, rs, sh, so, zip) are left out on purpose, since such a text is a domain too.
"""

from typing import Final

FILE_SUFFIXES: Final = frozenset(
    """
    7z apk aspx asp bat bin bmp cer cfg chm class cmd conf cpl crt csv dat db deb dex dll dmg doc docm docx dotm drv
    elf eml exe gif gz hta htm html img inf ini ipa iso jar jpeg jpg jse js json jsp key ko lnk log lua msc msg msi
    msix odt ocx pdb pdf pem php pkg plist png ppt pptm pptx ps1 psd1 psm1 rar rpm rtf scr sct sql sqlite svg swf
    sys tar tgz tiff tmp ttf txt url vbe vbs vhd vhdx vmdk war wav wsf wsh xar xhtml xla xlam xll xls xlsb xlsm xlsx
    xml xsl xz yaml yar yara yml
    """.split()
)
