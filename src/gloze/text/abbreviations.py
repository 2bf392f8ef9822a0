"""Words that are written with a stop and do not, or need not, end a sentence.

English, German, French, Spanish, Italian, Dutch and Portuguese together: a text's language is
not known, and few of these are words of another. Lower case, without the last stop.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# With a capital: a name follows, so the stop ends no sentence.
TITLES = _words(
    """
    mr mrs ms messrs mmes dr drs prof rev revd fr gen sen rep gov capt cpt cmdr col lt maj sgt cpl
    pvt adm amb pres supt insp hon asst assoc atty
    hr hrn frl frhr dipl ing mag univ mm mme mlle mlles mgr vve
    sr sra srta srs sras dña lic arq gral cap cnel tte sig avv arch mons spett gent egr
    dhr mevr mej mw ir ds exmo exma ilmo ilma dra dras sto sta eng enga dep
    """
)

# With a capital or without: something always follows.
NEVER_LAST = _words(
    """
    mr mrs dr prof vs viz cf ca approx esp e.g i.e eg ie resp
    bzw bspw sog vgl zzgl ggf evtl inkl exkl z.b d.h u.a o.ä i.d.r s.o s.u v.a z.t u.u insb ehem
    gegr eigtl urspr abk p.ex c.-à-d c.à.d sra srta vd p.ej dª
    sig sig.ra sig.na dott dott.ssa avv ecc.mo p.es
    bijv d.w.z o.a m.a.w m.b.t i.p.v t.o.v z.g v.ex v.exa prof.ª profª
    """
)

# A number (arabic or roman) follows, or else it is the word that it looks like, at the end.
BEFORE_NUMBER = _words(
    """
    no nos nr nrn nº num núm fig figs vol vols p pp pg pag pág págs pags art arts abb ch chap sec
    sect sects eq eqs eqn tab tbl op ed v vv verse cap kap bd bde s ss f ff n nn ann anm zif ziff
    abs par para paragr lfg tel blz hfst afb bl cf ex lib bk pt pts jan feb febr mar apr aug
    sep sept oct okt nov dec dez janv févr avr juil déc ene abr ago dic gen mag giu lug set ott
    out fev mrt geb gest bes verf
    """
)

# May end a sentence: it does when the next word usually begins one.
MAY_BE_LAST = _words(
    """
    st ste mt ft inc ltd co corp bros jr sr esq cie dept assn ave blvd rd hwy bldg apt min max
    al ibid op.cit loc.cit ed eds trans
    a.m p.m b.c a.d b.c.e c.e u.s u.s.a u.k u.n e.u d.c ph.d m.d b.a m.a b.s m.s ll.b j.d d.d.s
    n.y l.a u.s.s.r
    mio mrd tsd str jh jhdt gmbh e.v v.chr n.chr
    av boul bd pl fg
    s.a s.l s.r.l s.p.a b.v n.v ltda lda s.a.s n.d.r
    """
)

# Words that begin sentences far more often than they follow an abbreviation.
STARTERS = _words(
    """
    The This That These Those It Its He His She Her They Their We Our You Your There Here But And
    However In On At By For From With After Before When While Where Why What Who How If As Although
    Though Because Since So Then Thus Yet Nor Or An Some Many Most Each Every All Both Another No
    Not Once During Until Under Over Such Let Today Later Now Moreover Furthermore Finally
    Der Die Das Den Dem Ein Eine Einen Er Sie Es Wir Ihr Ich Und Aber Doch Auch Als Wenn Da Dann
    Dort Hier Diese Dieser Dieses Nach Vor Mit Bei Seit Im Am Zu Zum Zur Nun So Was Wer Wie Wo
    Le La Les Un Une Des Il Elle Ils Elles Nous Vous Je On Ce Cette Ces Cet Mais Et Ou Donc Or
    Dans En Sur Pour Par Avec Depuis Quand Si Comme Alors
    El Los Las Una Unos Este Esta Estos Pero Y Como Cuando Su Sus Se No En Con Por Para Desde
    Lo Gli Uno Ma E Questo Questa Nel Nella Con Per Anche Non Dopo Quando
    De Het Een Hij Zij Ze Wij We Ik Dit Dat Deze Maar En Toen Ook Na Voor Met
    Os As Um Uma Ele Ela Eles Elas Mas Este Esta Isso Isto No Na Em Com Para Depois
    """
)

MONTHS = _words(
    """
    Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember
    januar februar marts maj juni juli oktober december
    """
)

# Before a German ordinal ("am 3. Oktober", "das 19. Jahrhundert") ...
BEFORE_ORDINAL = _words(
    """
    am vom zum zur im beim bis ab seit der die das dem den des dieser dieses diesem jeder jedes
    jedem ein eine einen einem einer eines sein seine seinen seinem seiner ihr ihre ihren ihrem
    ihrer unser unsere mein meine meinen und oder
    """
)
# ... and after one.
AFTER_ORDINAL = _words(
    """
    Jahrhundert Jahrhunderts Jahrhunderte Jahrtausend Jahrtausends Jh Jhd Jhdt Klasse Kapitel
    Auflage Band Teil Weltkrieg Weltkriegs Weltkrieges Lebensjahr Lebensjahres Geburtstag Platz
    Rang Stock Stockwerk Etage Akt Aufzug Auftritt Szene Sitzung Spieltag Runde Armee Division
    Bundesliga Liga Mal Tag Tages Jahrestag Semester Quartal Grad Buch Gesang
    """
)
