"""Sentence splitting: a gold list worked by hand, no text lost, linear time."""
# ruff: noqa: RUF001 - quotes and stops of all scripts are the matter of this file

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gloze.text.sentences import split_sentences

# A bar stands where a sentence ends.
GOLD = """
The cat sat.| The dog ran.
Is it so?| Yes!| Then go.
He came at 5.| Nobody saw him.
Pi is 3.14 and e is 2.72.| Both are irrational.
It grew by .5 percent in v2.0.1 of the code.| Good.
J. R. R. Tolkien wrote it.| It sold well.
It was written by J. K. Rowling and George R. R. Martin.
Franklin D. Roosevelt met Harry S. Truman.| They talked.
Mr. and Mrs. Smith met Dr. Jones.| They ate.
Gen. Lee met Lt. Col. Brown and Sgt. Pepper.
He lived in the U.S. for years.| Then he left.
He lived in the U.S.| The weather was fine there.
The U.S. Supreme Court held that it was so.
U.S. Army soldiers came.| They stayed.
See No. 5 on the list.| It is short.
I said no.| Nobody listened.
See Fig. 3, Eq. 4 and pp. 5-7.| They agree.
Use fruit, e.g. apples, i.e. what is in season.| Eat it.
Bring pens, paper, etc.| The test is long.
Bring pens, paper, etc. to the test.
It was shown by Smith et al. (2019) in vol. 3.| Later work agrees.
In Roe v. Wade the court decided.| It was 1973.
Apple Inc. announced it.| Shares rose.
He works for Acme Corp.| The pay is good.
Sammy Davis Jr. sang.| We listened.
At 9 a.m. the bell rang.| Work began.
It closed at 5 p.m.| The shop was empty.
He has a Ph.D. in physics.| She has one too.
On Jan. 5 and Sept. 11 it rained.| In May it did not.
It was World War I.| The war began in 1914.
After World War II.| The cities were rebuilt.
1. First wash it.| 2. Then dry it.
(a) First wash it.| Then dry it.
So do I.| But he does not.
"Stop!" he cried.| She did not.
"Stop!" he cried.| "I mean it."| She stopped.
He said, "I will go."| She nodded.
He said, “I will go.”| She nodded.
“Where is it?” she asked.| “Here.”
(He was late.)| Nobody cared.
It is late (see below).| Go home.
It ended (in 1990).| (See the notes.)| More followed.
Wait... what?| Nothing.
He waited...| Then he left.
Well... I think so.
Visit www.example.com or mail a.b@c.org.| Thanks.
Node.js and Python 3.11 run on Yahoo.com!| Try them.
The gene is in E. coli and S. aureus.| Both are bacteria.
It was said before.[12]| It was said again.
What?!| No way!!!| Really.
He asked why? and left.
The 49ers won.| 23 players scored.
Prices rose to $5.| $6 came later.
The iPhone sold well.| • It has a screen.
Tell me.| He told me.| Come on.| The show began.
It is 5 mm.| The other is 10 ms.| Both are small.
He lives in Pasadena, CA.| She lives in Miami, FL.| They met.
It is on Main St.| The shop near St. John is closed.
Er mag.| Sie ist eng.| Das war es.
Va a ir.| Il est.| Tout va bien.
Er kam am 3. Oktober an.| Sie ging.
Das war im 19. Jahrhundert.| Danach kam das 20. Jahrhundert.
Der 2. Weltkrieg begann 1939.| Er endete 1945.
Das sind z. B. Äpfel, d. h. Obst.| Sie schmecken.
Das sind z.B. Äpfel und u.a. Birnen.| Sie schmecken.
Dr. Müller und Prof. Schmidt kamen.| Sie sprachen bzw. Frau Schmidt sprach.
Siehe Nr. 7 und Abb. 3.| Dort steht es.
»Ja.«| Er ging.| »Warum?« fragte sie.
„Komm her.“| Er kam.
Wer war's?| – Ich nicht.
M. Dupont et Mme Durand sont venus.| Ils ont parlé.
Il a dit : « Oui. »| Elle est partie.
Viens donc !| Où vas-tu ?| Nulle part.
Ah ! quel malheur.| Il pleure.
Voir p. 12 et art. 5.| C'est tout.
El Sr. García y la Sra. López llegaron.| ¿Quién habló?| ¡Nadie!
Vive en EE.UU. desde 1990.| Trabaja allí.
Il dott. Rossi e il sig. Bianchi arrivano.| Poi partono.
De heer dr. Jansen woont in Utrecht.| Hij werkt bijv. thuis.
O Sr. Silva e a Dra. Costa chegaram.| Eles falaram.
我来了。|他走了！|你呢？
他说：“你好。”|我点头。
他笑了……然后走了。|完。
你好!|他说。|再见?
彼は来た。|「はい。」と言った。|終わり。
هل أنت هنا؟| نعم. |أنا هنا.
यह एक है।| वह दो है।
Она пришла.| Он ушёл.| А. С. Пушкин писал.
Ήρθε.| Έφυγε.
그는 왔다.| 그녀는 갔다.
"""
CASES = GOLD.strip().splitlines()


@pytest.mark.parametrize("marked", CASES)
def test_sentences_end_where_a_reader_would_end_them(marked):
    expected = [sentence.strip() for sentence in marked.split("|")]
    assert split_sentences(marked.replace("|", "")) == expected


def test_the_gold_list_is_long_enough():
    assert len(CASES) >= 60


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_white_space_holds_no_sentence(text):
    assert split_sentences(text) == []


PIECES = st.sampled_from(
    [". ", ".", "! ", "?\" ", "… ", "。", "」", "» ", " »", "(", ") ", "[1] ", "U.S. ", "z. B. ",
     "Dr. ", "1. ", "A. ", "The ", "the ", "5 ", "Mai ", "\u2028", "\x1c", "\xa0", "é", "\u0301"]
)  # fmt: skip


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES).map("".join)))
@example("a. B")
@example("。。 。")
@example(". »")
def test_no_text_is_lost_but_white_space(text):
    pieces = split_sentences(text)
    assert all(piece and piece == piece.strip() for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    position = 0
    for piece in pieces:
        position = text.index(piece, position) + len(piece)


@pytest.mark.parametrize(
    "unit",
    [".", '"', '?"', "a.", ". ", '." ', "。", "」", "(", "[1", ".[1", "1. ", "A. ", "» ", " "],
)
def test_time_is_linear_on_hostile_input(unit):
    def seconds(size):
        text = (unit * size)[:size]
        started = time.process_time()
        split_sentences(text)
        return time.process_time() - started

    small, large = seconds(20_000), seconds(400_000)
    assert large < max(0.5, 60 * small)
