"""Words that tell names from other capitalized words: common given names, and what stands in a name's place without being one."""

# ruff: noqa: E501, SIM905
# Lists of words are read as prose.
from __future__ import annotations

from typing import Final

GIVEN: Final = frozenset(
    """
    aaron abdul abdullah abigail ada adam adrian agnieszka ahmed ahmet aiko aino aisha akira alan albert alberto alejandra alejandro aleksandra
    alessandro alex alexander alexandra alexei alexis alfonso alfred ali alice alicia alina allison amanda amélie amina amir amit amy ana anders
    andrás andré andrea andreas andrew andrzej angela angelika anita anja anjali ann anna anne annika anthony antoine anton antonio anya arjun
    arne arthur arturo astrid ayşe barbara bart bartosz beatrice beatriz ben benjamin bernd bernhard bianca birgit björn bogdan boris brandon
    brenda brian bruno camila camille carla carlos carmen carol carolina caroline carsten catherine cecilia chantal charles charlotte chiara
    chloe christian christina christine christoph christopher claire clara claudia claudio clémence cristina cynthia damien dan daniel daniela
    danielle dariusz david deborah deepak denise dennis derek diana diego dieter dimitri dinesh dirk dmitri dominik donald donna dorothea
    dorothy douglas edgar eduardo edward edwin eero elena eleonora elif elisabeth elizabeth ella ellen elsa emil emilia emily emma emmanuel
    enrico enrique eric erica erik erika ernesto erwin esra esteban esther eva evelyn ewa fabian fabio farah fatima fatma federico felipe felix
    fernanda fernando filip fiona florian francesca francesco francisco françois françoise frank franz fred frederik friedrich fritz gabriel
    gabriela gabriele gary george georg georgia gerald gerard gerhard giovanni giulia giuseppe gloria gonzalo grace graham greg gregory greta
    grzegorz guadalupe guido guillaume guillermo gunnar günter gustavo hans hanna hannah harald harold harry hasan hassan heather hector heidi
    heike heinrich heinz helen helena helga hélène henri henrik henry herbert hermann hiroshi holger hugo hussein ian ibrahim ignacio igor ines
    inga inge ingrid irena irene irina isabel isabella isabelle ivan ivana jack jacob jacqueline jaime jakob jakub jamal james jamie jan jana jane
    janet janine jannik janusz jasmin jason javier jean jeff jeffrey jennifer jens jeremy jerry jesse jessica jesús jill jim joan joanna joão
    joaquín jochen joe joel johan johann johanna johannes john johnny jon jonas jonathan jordi jörg jorge josé josef joseph josephine joshua juan
    juana juha julia julian juliana julie julien jürgen justin kai kamal kamil karen karin karl karolina katarina katarzyna kate katharina
    katherine kathleen kathryn katja katrin kavita kayla keiko keith kelly ken kenji kenneth kerstin kevin khalid kim kirsten klaus konrad
    krzysztof kumar kurt kyle lakshmi lars laura lauren laurent lea leah lena leo léon leonardo leonie leticia liam lieschen linda lisa loïc
    lorena lorenzo louis louise luca lucas lucia lucie ludwig luis luisa lukas luke łukasz lydia maciej magdalena mahmoud maja małgorzata manfred
    manuel manuela marc marcel marcelo marcin marco marcos marek margaret margarita maria mariana marie marina mario marion marius mariusz mark
    markku marko markus marlene marta martha martin martina martín mary masato mateo mateusz mathieu mathilde matteo matthew matthias matti
    maurice max maximilian megan mehmet mei melanie melissa mercedes michael michaela michał michel michele michelle miguel mika mikael mike
    mikhail milan miriam mohamed mohammad mohammed mohan moritz mustafa nadia nadine naoko natalia natalie natasha neha nicholas nicolas nicole
    niels nikhil nikolai nils nina nora norbert norma olaf oleg olga oliver olivia olivier omar oscar oskar otto pablo paola paolo pascal patricia
    patrick paul paula paulina paulo pavel pawel paweł pedro peggy peter petra philip philipp philippe pierre pietro pilar piotr priya rachel rafael
    rahul rainer raj rajesh ralf ramón raquel raúl ravi raymond rebecca regina reinhard renata renate rené ricardo richard rita robert roberta
    roberto rodrigo roger roland rolf roman romain ronald rosa rosemary ruben rudolf rui ruth ryan sabine sabrina salma samantha samir samuel
    sandra sanjay santiago sara sarah satoshi scott sean sebastian sergei sergey sergio shannon sharon shirley siegfried silke silvia simon simone
    sofia sofie sonia sonja sophia sophie stanislav stefan stefania stefano stephan stephanie stephen steve steven stuart sunita susan susana
    susanne svetlana sven sylvia sylvie takashi takeshi tamara tanja tanya tatiana teresa terry thomas thorsten tiago tim timo timothy tina tobias todd tom
    tomás tomasz toni tony torsten tracy tuomas tyler ulrich ulrike ursula uwe valentina valeria vanessa vera verónica veronika vicente victor
    victoria vijay viktor viktoria vincent vincenzo virginia vladimir walter wanda wei werner wilhelm william willem wojciech wolfgang xavier
    yasmin yoko yolanda youssef yuki yuri yusuf yves yvonne zoe zofia zuzanna
    """.split()
)
"""Given names that are common somewhere and that are rarely anything else, lower case."""

NO_NAME: Final = frozenset(
    """
    a about above account accountant accounts address admin administrator again agent alias all already also always an analyst and annual any
    anonymous api app application applicant approved april are artist as assistant associate at attached august automated available back bank
    bad because been before below best beta big birthday blank blocked board boss bot both box branch bug build business but by call can candidate
    captain card case center centre chair chat chief child city class clerk client co coach code colleague colleagues column comes comment
    committee community company compliance computer config confidential confirmed consultant contact content control coordinator copy corp
    corporate correct council country customer customers daily data database date day dear december default delivery demo department deputy
    description design designer desk details dev developer device diary digital direct director display doctor document documentation does
    domain don done draft driver each editor else email employee employees empty engineer engineering english enter entry error et everybody
    everyone example executive expert external extra false family fan fans february feedback female few field file final finance first for foo
    for form found founder fr free friday friend friends from full function gas general generated gentleman gentlemen german get given gmbh go
    good google great group guest guys had happy has have he head health hello help her here hey hi hidden hiring his home hospital host hotel
    hour house how hr human i id if illegible image important in inc incorrect index info input institute insurance intern internal invalid
    invoice is issue it item its january job judge july june just key kids kind lady ladies last lawyer lead leader left legal letter level library life
    like limited line link list listed live local location log login long ltd lunch madam mail main male manager managers march market marketing
    master may mayor me meeting member members merchant message meta mine minister minor misspelled mister misspelt mit mom monday month monthly more
    mother mr mrs ms multiple music must my myself n/a na name named names national nda needs network never new news next no nobody none normal
    not note nothing november now null number nurse object october of off office officer official ok old on once one online only open operations
    operator or order organization organizer original other our out over owner package page parent parents partner partners party password patient
    people person phone physician pilot place plan plane play please police policy president press printer private pro probably processing
    producer product production professor profile program project property public purchase quality query question random read reader really
    recipient record redacted region registered release remote report request required research reserved resident result return right role room rule
    safe sales sample saturday say says school schema second secret secretary section security select seller send sender senior september server
    service services session set setting shall shared she shop short show siege since sir sirs site sites so software some somebody someone
    something sometimes source special specialist specialized spelled spelt staff stage staging standard star start state status std steve-test still stop
    store student students subject subscriber sunday supervisor supplier support sure system table tag target tba tbd teacher team teams technical
    template temporary tenant test tester text thanks that the their them then there these they thing this thursday time title to today todo
    token too tool top trainer training translator true trustee tuesday type undefined union unit university unknown unlisted unspecified untitled up update upload
    us user username users valid validator value various vendor version very via video view vip visitor von wait was we weather web website
    wednesday week weekend welcome well were what when where which while who whoever will winner with withheld word work worker world writer written wrong xxx
    year yes yet you young your yours yourself zone
    alle allemand alles an auch auf aus bei bereits bewerber beste besten bitte das dem den der des die dies diese ein eine einen erforderlich falsch firma frau für gast geehrte
    geehrter herr herren damen hier ich ihr ihre immer ist ja kein keine kollege kollegen kolleginnen kunde kunden kundin leider lehrer leute liebe lieber meine
    mein mitarbeiter montag nachname nein neu nicht noch nur oder partner patientin pflichtfeld schon sehr sein sicher team uns unser und unbekannt verkehrt vom von vorname was
    wer wie wo zu zum zur zusammen
    à aussi avec ce client cliente dans de du elle en equipe équipe est et faux il inconnu je la le les madame mais monsieur messieurs mesdames non nous obligatoire ou
    pas pour que qui requis sur toujours tous toutes tout un une vous
    al cliente con de del el ella ellos en equipo es está la las los más no nosotros o para pero por que requerido señor señora señores si son su sus
    todos todas un una usted y
    che con da di e è il io lo ma nel non obbligatorio per signor signora signori sono tutti un una
    ao aos com da do dos e em eu não o os ou para por que senhor senhora todos um uma você
    aan alle allemaal de deze een en het iedereen ik is mevrouw meneer niet of van verplicht voor wat wie
    bool dipl dr float frau ing int kollege kollegin list meneer mevrouw miss mlle mme monsieur optional pani prof señor señora str string
    av det du en er ett i ikke inte jag jeg och og på som til till
    """.split()
)
"""Words that stand where a name could stand: in greetings, after labels, and behind "my name is"; lower case."""

PARTICLES: Final = frozenset(
    "van von de der den del della di da do dos das la le du af av al el bin ibn ben ten ter zu zur y e san".split()
)
"""Small words inside a name."""
